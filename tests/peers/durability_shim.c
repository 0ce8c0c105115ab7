/* Stands between a program and the file system below FAULT_ROOT: it fails one operation, or writes down all of them.
 *
 * FAULT_KIND=write|sync|rename|create|remove|truncate, FAULT_ERROR=EIO|ENOSPC|SHORT and FAULT_NUMBER=N fail the N-th
 * operation of that kind; FAULT_MARK is a file that is made when it was reached. FAULT_STICKY fails all that follow too,
 * as a full disk does. FAULT_TRACE is a file that all operations are written to, with their bytes, in the order of their
 * effects. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root, *kind, *failure, *mark;
static long number = -1, seen;
static int trace = -1, ready, sticky;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void prepare(void) {
    if (ready) return;
    ready = 1;
    root = getenv("FAULT_ROOT");
    kind = getenv("FAULT_KIND");
    failure = getenv("FAULT_ERROR");
    mark = getenv("FAULT_MARK");
    sticky = getenv("FAULT_STICKY") != NULL;
    if (getenv("FAULT_NUMBER")) number = atol(getenv("FAULT_NUMBER"));
    const char *path = getenv("FAULT_TRACE");
    if (path) trace = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_ours(const char *path) {
    prepare();
    return root && strncmp(path, root, strlen(root)) == 0;
}

/* The memory that SQLite's processes share is not on the disk. */
static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_ours(path) && !strstr(path, "-shm");
}

/* 0: let it be; else the errno, or -1 for a short write. */
static int fault(const char *which) {
    if (!kind || strcmp(kind, which) || number < 0) return 0;
    seen++;
    if (seen < number || (seen > number && !sticky)) return 0;
    if (mark) {
        int fd = syscall(SYS_openat, AT_FDCWD, mark, O_WRONLY | O_CREAT, 0600);
        if (fd >= 0) syscall(SYS_close, fd);
    }
    if (!strcmp(failure, "SHORT")) return -1;
    return !strcmp(failure, "ENOSPC") ? ENOSPC : EIO;
}

static void record(const char *what, const char *path, const char *other, long long offset, const void *bytes, size_t length) {
    if (trace < 0) return;
    char head[2 * PATH_MAX + 100];
    int size = snprintf(head, sizeof head, "%s\t%s\t%s\t%lld\t%zu\n", what, path, other, offset, length);
    struct iovec parts[2] = {{head, size}, {(void *)bytes, length}};
    syscall(SYS_writev, trace, parts, bytes ? 2 : 1);
}

static ssize_t written(int fd, const void *bytes, size_t length, off_t offset, int has_offset) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) {
        return has_offset ? syscall(SYS_pwrite64, fd, bytes, length, offset) : syscall(SYS_write, fd, bytes, length);
    }
    pthread_mutex_lock(&lock);
    ssize_t result;
    int error = fault("write");
    if (error > 0) {
        result = -1;
    } else {
        if (error < 0 && length > 1) length /= 2;
        if (!has_offset) {
            struct stat about;
            fstat(fd, &about);
            offset = fcntl(fd, F_GETFL) & O_APPEND ? about.st_size : lseek(fd, 0, SEEK_CUR);
        }
        result = has_offset ? syscall(SYS_pwrite64, fd, bytes, length, offset) : syscall(SYS_write, fd, bytes, length);
        if (result > 0) record("write", path, "", offset, bytes, result);
        error = errno;
    }
    pthread_mutex_unlock(&lock);
    if (result < 0) errno = error;
    return result;
}

ssize_t write(int fd, const void *bytes, size_t length) { return written(fd, bytes, length, 0, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return written(fd, bytes, length, offset, 1); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return written(fd, bytes, length, offset, 1); }

/* To write less than was asked is allowed: the first part alone. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return syscall(SYS_writev, fd, parts, count);
    for (int part = 0; part < count; part++)
        if (parts[part].iov_len) return written(fd, parts[part].iov_base, parts[part].iov_len, 0, 0);
    return 0;
}

static int synced(int fd, long call) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return syscall(call, fd);
    pthread_mutex_lock(&lock);
    int error = fault("sync"), result = -1;
    if (error == 0) {
        /* The machine does not fall: what the disk would hold is worked out from the record. */
        result = trace < 0 ? 0 : syscall(call, fd);
        if (result == 0) record("sync", path, "", 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    if (result < 0) errno = error > 0 ? error : EIO;
    return result;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

static int truncated(int fd, off_t length) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    int error = fault("truncate"), result = -1;
    if (error == 0) {
        result = syscall(SYS_ftruncate, fd, length);
        error = errno;
        if (result == 0) record("truncate", path, "", length, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    if (result < 0) errno = error > 0 ? error : EIO;
    return result;
}

int ftruncate(int fd, off_t length) { return truncated(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncated(fd, length); }

/* Operations on names. */
static int named(const char *which, const char *path, const char *other, int (*work)(const char *, const char *, mode_t), mode_t mode) {
    char whole[PATH_MAX], second[PATH_MAX] = "";
    const char *absolute = path;
    if (path[0] != '/' && getcwd(whole, sizeof whole) && strlen(whole) + strlen(path) + 2 < sizeof whole) {
        strcat(strcat(whole, "/"), path);
        absolute = whole;
    }
    if (other && other[0] != '/' && getcwd(second, sizeof second) && strlen(second) + strlen(other) + 2 < sizeof second)
        strcat(strcat(second, "/"), other);
    else if (other)
        snprintf(second, sizeof second, "%s", other);
    if (!is_ours(absolute) || strstr(absolute, "-shm")) return work(path, other, mode);
    pthread_mutex_lock(&lock);
    const char *group = !strcmp(which, "mkdir") ? "create" : !strcmp(which, "unlink") ? "remove" : which;
    int error = fault(group), result = -1;
    if (error == 0) {
        result = work(path, other, mode);
        error = errno;
        if (result >= 0) record(which, absolute, second, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    if (result < 0) errno = error > 0 ? error : EIO;
    return result;
}

static int do_rename(const char *path, const char *other, mode_t mode) { (void)mode; return syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, other, 0); }
static int do_unlink(const char *path, const char *other, mode_t mode) { (void)other; (void)mode; return syscall(SYS_unlinkat, AT_FDCWD, path, 0); }
static int do_mkdir(const char *path, const char *other, mode_t mode) { (void)other; return syscall(SYS_mkdirat, AT_FDCWD, path, mode); }

int rename(const char *path, const char *other) { return named("rename", path, other, do_rename, 0); }
int unlink(const char *path) { return named("unlink", path, NULL, do_unlink, 0); }
int mkdir(const char *path, mode_t mode) { return named("mkdir", path, NULL, do_mkdir, mode); }

static __thread int open_flags;
static int do_open(const char *path, const char *other, mode_t mode) { (void)other; return syscall(SYS_openat, AT_FDCWD, path, open_flags, mode); }

static int opened(const char *path, int flags, mode_t mode) {
    open_flags = flags;
    struct stat about;
    if (!(flags & O_CREAT) || syscall(SYS_newfstatat, AT_FDCWD, path, &about, 0) == 0) return do_open(path, NULL, mode);
    return named("create", path, NULL, do_open, mode);
}

#define OPEN(name)                              \
    int name(const char *path, int flags, ...) { \
        va_list more;                           \
        va_start(more, flags);                  \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
        va_end(more);                           \
        return opened(path, flags, mode);       \
    }
OPEN(open)
OPEN(open64)
