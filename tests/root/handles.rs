//! Handles of files, by which a server of NFS finds them again after the kernel has forgotten them.

use crate::support::World;

/// Takes a handle of `sys.argv[1]`, lets the kernel forget what it knows of files, and reads the
/// file by its handle. With `..`, the file stands in a directory whose way to the root the kernel
/// has to find.
const READ_BY_HANDLE: &str = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)

class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("handle", ctypes.c_char * 128)]

def handle_of(path):
    handle, mount = Handle(bytes=128), ctypes.c_int()
    if libc.name_to_handle_at(-100, path.encode(), ctypes.byref(handle), ctypes.byref(mount), 0):
        raise OSError(ctypes.get_errno(), "name_to_handle_at")
    return handle

def open_handle(handle, flags):
    root = os.open(sys.argv[1], os.O_RDONLY)
    fd = libc.open_by_handle_at(root, ctypes.byref(handle), flags)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "open_by_handle_at")
    os.close(root)
    return fd

handles = [handle_of(os.path.join(sys.argv[1], path)) for path in sys.argv[2:]]
with open("/proc/sys/vm/drop_caches", "w") as caches:
    caches.write("2")
file, directory = handles
with os.fdopen(open_handle(file, os.O_RDONLY), "rb") as opened:
    sys.stdout.buffer.write(opened.read())
directory = open_handle(directory, os.O_RDONLY | os.O_DIRECTORY)
print(os.path.basename(os.readlink(f"/proc/self/fd/{directory}")), os.listdir(directory))
"#;

/// > A handle of a file or directory, as `name_to_handle_at` and servers of NFS make them, stays
/// > valid after the kernel has forgotten the file, and in the next mount.
#[test]
fn handles_outlive_what_the_kernel_knows_of_a_file() {
    let world = World::mounted();
    std::fs::write(world.dir.path().join("handle.py"), READ_BY_HANDLE).unwrap();
    world.photo("1.jpg", 1, 20_000);
    world.sh("mkdir -p mnt/A/B && cp 1.jpg mnt/A/B/ && sync mnt");
    world.sh("python3 handle.py mnt A/B/1.jpg A/B > out");
    world.sh("cat 1.jpg > expected && echo \"B ['1.jpg']\" >> expected && cmp out expected");
    world.umount();
}
