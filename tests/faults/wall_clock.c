/* Adds the seconds that stand in the file $WALL_CLOCK_OFFSET (8 bytes, native int64) to the wall clock of a process.
   cc -shared -fPIC -o wall_clock.so wall_clock.c -ldl; the monotonic clock is left alone, as by NTP or a person. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile int64_t *offset_s;
static int (*real)(clockid_t, struct timespec *);

static int64_t offset(void) {
    if (!offset_s) {
        const char *path = getenv("WALL_CLOCK_OFFSET");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *found = fd < 0 ? MAP_FAILED : mmap(0, sizeof *offset_s, PROT_READ, MAP_SHARED, fd, 0);
        if (found == MAP_FAILED) abort();
        offset_s = found;
    }
    return *offset_s;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec t;
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &t);
    if (now) now->tv_sec = t.tv_sec, now->tv_usec = t.tv_nsec / 1000;
    return result;
}

time_t time(time_t *now) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (now) *now = t.tv_sec;
    return t.tv_sec;
}
