// Preloaded into the programs of a virtual board: below one folder only so many more bytes can be
// written; then every write fails with ENOSPC, and df shows it. QNN_DISK_LEFT is "<file>:<folder>";
// the file holds the number of bytes left, which all programs share.
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

struct Disk {
    int64_t* left = nullptr;
    char folder[PATH_MAX] = "";
    Disk() {
        const char* given = std::getenv("QNN_DISK_LEFT");
        const char* colon = given ? std::strchr(given, ':') : nullptr;
        if (!colon || std::strlen(colon + 1) >= sizeof folder) return;
        char file[PATH_MAX];
        std::snprintf(file, sizeof file, "%.*s", static_cast<int>(colon - given), given);
        std::strcpy(folder, colon + 1);
        const int descriptor = open(file, O_RDWR | O_CLOEXEC);
        if (descriptor < 0) return;
        void* map = mmap(nullptr, 8, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        close(descriptor);
        if (map != MAP_FAILED) left = static_cast<int64_t*>(map);
    }
    bool below(const char* path) const {
        const size_t length = std::strlen(folder);
        return left && !std::strncmp(path, folder, length) &&
               (path[length] == '/' || path[length] == 0);
    }
    // df asks for the mount point, which is above the folder
    bool shown_by(const char* path) const {
        char whole[PATH_MAX];
        if (!left || !realpath(path, whole)) return false;
        const size_t length = std::strlen(whole);
        return below(whole) || (!std::strncmp(folder, whole, length) &&
                                (length == 1 || folder[length] == '/'));
    }
    bool holds(int descriptor) const {
        if (!left) return false;
        char link[64], path[PATH_MAX];
        std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        const ssize_t size = readlink(link, path, sizeof path - 1);
        if (size <= 0) return false;
        path[size] = 0;
        return below(path);
    }
};

Disk& disk() {
    static Disk the_disk;
    return the_disk;
}

template <typename F>
F next(const char* name) {
    return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

// How much of a write there is room for; -1 with errno: none.
ssize_t room(int descriptor, size_t size) {
    if (!size || !disk().holds(descriptor)) return static_cast<ssize_t>(size);
    int64_t before = __atomic_load_n(disk().left, __ATOMIC_SEQ_CST), taken;
    do {
        taken = before < static_cast<int64_t>(size) ? before : static_cast<int64_t>(size);
        if (taken <= 0) {
            errno = ENOSPC;
            return -1;
        }
    } while (!__atomic_compare_exchange_n(disk().left, &before, before - taken, false,
                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return taken;
}

template <typename S>
void show(S* status) {
    const auto blocks = static_cast<uint64_t>(*disk().left) / status->f_bsize;
    if (status->f_bavail > blocks) status->f_bavail = blocks;
    if (status->f_bfree > blocks) status->f_bfree = blocks;
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* data, size_t size) {
    static auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
    const ssize_t taken = room(descriptor, size);
    return taken < 0 ? -1 : real(descriptor, data, static_cast<size_t>(taken));
}

ssize_t pwrite64(int descriptor, const void* data, size_t size, off64_t at) {
    static auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
    const ssize_t taken = room(descriptor, size);
    return taken < 0 ? -1 : real(descriptor, data, static_cast<size_t>(taken), at);
}

ssize_t pwrite(int descriptor, const void* data, size_t size, off_t at) {
    return pwrite64(descriptor, data, size, at);
}

ssize_t writev(int descriptor, const struct iovec* parts, int count) {
    static auto real = next<ssize_t (*)(int, const struct iovec*, int)>("writev");
    size_t size = 0;
    for (int k = 0; k < count; ++k) size += parts[k].iov_len;
    const ssize_t taken = room(descriptor, size);
    if (taken < 0) return -1;
    if (taken == static_cast<ssize_t>(size)) return real(descriptor, parts, count);
    errno = ENOSPC;
    return -1;
}

ssize_t copy_file_range(int from, off64_t* at, int to, off64_t* to_at, size_t size, unsigned flags) {
    static auto real =
        next<ssize_t (*)(int, off64_t*, int, off64_t*, size_t, unsigned)>("copy_file_range");
    if (!disk().holds(to)) return real(from, at, to, to_at, size, flags);
    errno = EXDEV;  // then programs copy with read and write
    return -1;
}

int statvfs64(const char* path, struct statvfs64* status) {
    static auto real = next<int (*)(const char*, struct statvfs64*)>("statvfs64");
    const int code = real(path, status);
    if (!code && disk().shown_by(path)) show(status);
    return code;
}

int statvfs(const char* path, struct statvfs* status) {
    return statvfs64(path, reinterpret_cast<struct statvfs64*>(status));
}

int statfs64(const char* path, struct statfs64* status) {
    static auto real = next<int (*)(const char*, struct statfs64*)>("statfs64");
    const int code = real(path, status);
    if (!code && disk().shown_by(path)) show(status);
    return code;
}

int statfs(const char* path, struct statfs* status) {
    return statfs64(path, reinterpret_cast<struct statfs64*>(status));
}

}  // extern "C"
