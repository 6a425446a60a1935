/* Copyright: (c) 2026, physical_ai.edge contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A wrong wall clock for the programs of one node: preloaded by /etc/ld.so.preload, reads the seconds to add from
 * /etc/lab-clock when a program first asks for the time. The monotonic clock stays right, so waits and timeouts do.
 * (libfaketime moves that too, and on Debian 12 breaks sleeping and systemd-run.)
 *
 * No headers: it is compiled by tcc alone, without a C library's development files.
 */
struct timespec { long seconds, nanoseconds; };
struct timeval { long seconds, microseconds; };

extern void *dlsym(void *handle, const char *name);
extern int open(const char *path, int flags, ...);
extern long read(int file, void *data, unsigned long size);
extern int close(int file);
extern int getpid(void);

#define RTLD_NEXT ((void *)-1)
#define CLOCK_REALTIME 0
#define CLOCK_REALTIME_COARSE 5
#define CLOCK_TAI 11

static long load(void)
{
    char text[24];
    long size, position = 0, value = 0, sign = 1;
    int file;

    /* systemd arms kernel timers by the wall clock: wrong times would make it spin. */
    if (getpid() == 1)
        return 0;
    file = open("/etc/lab-clock", 0);
    if (file < 0)
        return 0;
    size = read(file, text, sizeof text);
    close(file);
    if (size > 0 && text[0] == '-') {
        sign = -1;
        position = 1;
    }
    for (; position < size && text[position] >= '0' && text[position] <= '9'; position++)
        value = value * 10 + (text[position] - '0');
    return sign * value;
}

static long offset(void)
{
    static long value;
    static int loaded;

    if (!loaded) {
        value = load();
        loaded = 1;
    }
    return value;
}

int clock_gettime(int clock, struct timespec *now)
{
    static int (*real)(int, struct timespec *);
    int result;

    if (!real)
        real = dlsym(RTLD_NEXT, "clock_gettime");
    result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI))
        now->seconds += offset();
    return result;
}

int gettimeofday(struct timeval *now, void *zone)
{
    static int (*real)(struct timeval *, void *);
    int result;

    if (!real)
        real = dlsym(RTLD_NEXT, "gettimeofday");
    result = real(now, zone);
    if (result == 0 && now)
        now->seconds += offset();
    return result;
}

long time(long *store)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (store)
        *store = now.seconds;
    return now.seconds;
}

int timespec_get(struct timespec *now, int base)
{
    if (base != 1)
        return 0;
    clock_gettime(CLOCK_REALTIME, now);
    return base;
}
