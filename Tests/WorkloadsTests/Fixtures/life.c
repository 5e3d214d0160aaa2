// A program that does a little of everything that a recording of memory can show, and writes its
// own maps to standard output, and its child's to standard error, as the last thing it does.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[16384];

static void dump(int to) {
    int file = open("/proc/self/maps", O_RDONLY);
    ssize_t count;
    while ((count = read(file, buffer, sizeof buffer)) > 0) (void)!write(to, buffer, count);
}

static void *worker(void *argument) {
    for (int round = 0; round < 3; round++) {
        size_t length = (4 + round) * 4096;
        char *area = mmap(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(area, 1, length);
        if (round < 2) munmap(area, length);
    }
    return argument;
}

static void deep(int levels) {
    volatile char room[40000];
    room[0] = 1;
    if (levels > 0) deep(levels - 1);
    room[1] = room[0];
}

int main(void) {
    memset(buffer, 0, sizeof buffer);
    char *big = mmap(0, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    big[0] = big[4096] = 1;
    mprotect(big + 65536, 65536, PROT_READ);
    munmap(big + (1 << 20), 1 << 20);
    char *moved = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    moved[0] = 1;
    moved = mremap(moved, 8192, 1 << 20, MREMAP_MAYMOVE);
    moved[8192] = 1;
    madvise(moved, 4096, MADV_DONTNEED);
    mlock(moved, 16384);
    munmap((void *)1, 4096);

    int memory = memfd_create("life", 0);
    (void)!ftruncate(memory, 40960);
    char *shared = mmap(0, 40960, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    shared[0] = 1;
    close(memory);
    int segment = shmget(IPC_PRIVATE, 10000, 0600);
    char *attached = shmat(segment, 0, 0);
    attached[0] = 1;
    shmctl(segment, IPC_RMID, 0);
    int self = open("/proc/self/exe", O_RDONLY);
    volatile char *file = mmap(0, 20000, PROT_READ, MAP_PRIVATE, self, 0);
    close(self);
    (void)file[0];

    pthread_t threads[2];
    for (int index = 0; index < 2; index++) pthread_create(&threads[index], 0, worker, 0);
    for (int index = 0; index < 2; index++) pthread_join(threads[index], 0);
    deep(6);
    free(malloc(300000));

    pid_t child = fork();
    if (child == 0) {
        big[0] = 2;
        munmap(moved, 4096);
        dump(2);
        *(volatile char *)8 = 1;
    }
    waitpid(child, 0, 0);
    if (vfork() == 0) {
        execl("/bin/true", "true", (char *)0);
        _exit(1);
    }
    wait(0);
    shmdt(attached);
    dump(1);
    syscall(SYS_exit_group, 0);
}
