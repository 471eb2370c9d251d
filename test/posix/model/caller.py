"""Performs one operation after the other under several roots, and says what each came to.

A request is a line of JSON, [operation, who, {arguments}]; the answer a line of JSON with an outcome for each root. Names
are latin1, so that they are bytes. An outcome is all that a program could observe: the error or the result, and then
the attributes of what was touched. Open files have numbers that the caller gives.
"""
import ctypes, errno, hashlib, json, os, stat, sys

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
RECENT = 1_600_000_000

roots = [root.encode("latin1") for root in sys.argv[1:]]
# A directory under each root in which the paths of one sequence are.
base = b"."
files = [{} for _ in roots]
# Who opened a file also changes it: a mount writes on behalf of whoever opened (docs/POSIX.md).
openers = {}
BY_OPENER = {"write", "append", "ftruncate"}


def code(number):
    return errno.errorcode.get(number, str(number))


def moment(nanoseconds):
    """Times that a call set are compared to the nanosecond; those of the clock are all alike."""
    return "now" if nanoseconds // 10**9 > RECENT else nanoseconds


def attributes(status):
    size = None if stat.S_ISDIR(status.st_mode) else status.st_size
    times = [moment(status.st_mtime_ns), moment(status.st_atime_ns), moment(status.st_ctime_ns)]
    return [oct(status.st_mode), status.st_nlink, status.st_uid, status.st_gid, size, status.st_rdev, times]


def look(path):
    try:
        return attributes(os.lstat(path))
    except OSError as error:
        return code(error.errno)


def digest(data):
    return [len(data), hashlib.sha1(data).hexdigest()]


def pattern(seed, length):
    return hashlib.shake_128(str(seed).encode()).digest(length)


def renameat2(old, new, flags):
    if libc.renameat2(AT_FDCWD, old, AT_FDCWD, new, flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def tree(top):
    """Every node below `top`: attributes, content, and which other path is the same node."""
    found, first = {}, {}
    for directory, names, others in os.walk(top):
        for name in sorted(names + others):
            path = os.path.join(directory, name)
            at = path[len(top) :].decode("latin1")
            status = os.lstat(path)
            same = first.setdefault(status.st_ino, at)
            content = None
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    content = digest(file.read())
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path).decode("latin1")
            found[at] = [attributes(status), same, content]
    return found


def perform(op, a, root, files):
    def at(name):
        return root + a[name].encode("latin1")

    fd = files.get(a.get("file"), -1)
    if fd < 0 and "file" in a and op != "open":
        return "not open"
    if op == "open":
        if fd >= 0:
            os.close(files.pop(a["file"]))
        files[a["file"]] = os.open(at("path"), a["flags"], a["mode"])
    elif op == "close":
        os.close(files.pop(a["file"]))
    elif op == "read":
        return digest(os.pread(fd, a["length"], a["offset"]))
    elif op == "write":
        return os.pwrite(fd, pattern(a["seed"], a["length"]), a["offset"])
    elif op == "append":
        # Where a directory ends, file systems differ.
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            os.lseek(fd, 0, os.SEEK_END)
        return os.write(fd, pattern(a["seed"], a["length"]))
    elif op == "ftruncate":
        os.ftruncate(fd, a["size"])
    elif op == "fchmod":
        os.fchmod(fd, a["mode"])
    elif op == "fchown":
        os.fchown(fd, a["owner"]["uid"], a["owner"]["gid"])
    elif op == "futimes":
        os.utime(fd, ns=(a["atime"], a["mtime"]))
    elif op == "fsync":
        os.fsync(fd)
    elif op == "fstat":
        return attributes(os.fstat(fd))
    elif op == "flist":
        return sorted(name for name in os.listdir(fd))
    elif op == "mkdir":
        os.mkdir(at("path"), a["mode"])
    elif op == "rmdir":
        os.rmdir(at("path"))
    elif op == "unlink":
        os.unlink(at("path"))
    elif op == "mkfifo":
        os.mkfifo(at("path"), a["mode"])
    elif op == "link":
        os.link(at("path"), at("to"), follow_symlinks=False)
    elif op == "symlink":
        os.symlink(a["target"].encode("latin1"), at("path"))
    elif op == "readlink":
        return os.readlink(at("path")).decode("latin1")
    elif op == "rename":
        renameat2(at("path"), at("to"), a["flags"])
    elif op == "chmod":
        os.chmod(at("path"), a["mode"])
    elif op == "chown":
        os.chown(at("path"), a["owner"]["uid"], a["owner"]["gid"], follow_symlinks=a["follow"])
    elif op == "truncate":
        # Whether this changes mtime when the size stays, file systems differ; POSIX wants it to.
        status = os.stat(at("path"))
        if stat.S_ISREG(status.st_mode) and status.st_size == a["size"]:
            return "same size"
        os.truncate(at("path"), a["size"])
    elif op == "utimes":
        if a["now"]:
            os.utime(at("path"), follow_symlinks=a["follow"])
        else:
            os.utime(at("path"), ns=(a["atime"], a["mtime"]), follow_symlinks=a["follow"])
    elif op == "stat":
        return attributes(os.stat(at("path")))
    elif op == "access":
        return os.access(at("path"), a["mode"], effective_ids=True)
    elif op == "list":
        return sorted(name.decode("latin1") for name in os.listdir(at("path")))
    elif op == "content":
        # A fifo would wait for its other end.
        with open(os.open(at("path"), os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return digest(file.read() or b"")
    else:
        raise ValueError(op)


def as_user(who, action):
    uid, gid, groups, umask = who
    os.umask(umask)
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)
    try:
        return action()
    except OSError as error:
        return code(error.errno)
    finally:
        os.seteuid(0)
        os.setegid(0)


def outcome(op, who, a, root, files):
    result = as_user(who, lambda: perform(op, a, root, files))
    touched = {}
    for name in ("path", "to"):
        if name in a:
            path = root + a[name].encode("latin1")
            touched[name] = [look(path), look(os.path.dirname(path))]
    if a.get("file") in files:
        touched["file"] = attributes(os.fstat(files[a["file"]]))
    return {"result": result, "after": touched}


def answer(op, who, a):
    global base
    if op == "begin":
        # Within others, so that a path that goes up does not leave what is compared.
        base = a["name"].encode("latin1")
        for root in roots:
            os.umask(0)
            os.makedirs(os.path.join(root, base, b"in/in"), 0o777)
        return ["begun" for _ in roots]
    if op == "end":
        for each in files:
            for fd in each.values():
                os.close(fd)
            each.clear()
        return [tree(os.path.join(root, base)) for root in roots]
    if op == "open":
        openers[a["file"]] = who
    elif op in BY_OPENER:
        who = openers.get(a["file"], who)
    return [outcome(op, who, a, os.path.join(root, base, b"in/in/"), each) for root, each in zip(roots, files)]


for line in sys.stdin:
    print(json.dumps(answer(*json.loads(line)), sort_keys=True), flush=True)
