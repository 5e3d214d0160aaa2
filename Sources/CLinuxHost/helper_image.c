// SPDX-License-Identifier: Apache-2.0
//
// The helper as a program: the bytes of its section behind an ELF header, in a memfd.

#define _GNU_SOURCE 1
#include "helper_launch.h"
#include "host_files.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)

/// The section's bounds, which the linker knows, and the entry in it.
extern const uint8_t __start_mooring_helper[] __attribute__((visibility("hidden")));
extern const uint8_t __stop_mooring_helper[] __attribute__((visibility("hidden")));
extern void helper_start_here(void) __attribute__((visibility("hidden")));

/// Where the code begins in the file and in the segment: behind the headers.
enum { code_offset = 128 };

/// Builds the program in `image`, which holds HELPER_HALF bytes of zero.
static int fill_image(uint8_t *image) {
    size_t length = (size_t)(__stop_mooring_helper - __start_mooring_helper);
    if (code_offset + length > HELPER_HALF) return -E2BIG;

    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = HELPER_LOAD + code_offset +
                   ((uintptr_t)&helper_start_here - (uintptr_t)__start_mooring_helper),
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 1,
    };
    Elf64_Phdr segment = {
        .p_type = PT_LOAD,
        .p_flags = PF_R | PF_X,
        .p_vaddr = HELPER_LOAD,
        .p_paddr = HELPER_LOAD,
        .p_filesz = HELPER_HALF,
        .p_memsz = HELPER_HALF,
        .p_align = 4096,
    };
    _Static_assert(sizeof header + sizeof segment <= code_offset, "the headers fit");
    memcpy(image, &header, sizeof header);
    memcpy(image + sizeof header, &segment, sizeof segment);
    memcpy(image + code_offset, __start_mooring_helper, length);
    return 0;
}

int helper_make_image(void) {
    int file = memfd_create("mooring-helper", MFD_CLOEXEC);
    if (file < 0) return -errno;
    int result = -ENOMEM;
    uint8_t *image = MAP_FAILED;
    if (ftruncate(file, HELPER_HALF) == 0) {
        image = mmap(NULL, HELPER_HALF, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    if (image != MAP_FAILED) {
        result = fill_image(image);
        munmap(image, HELPER_HALF);
    }
    // A program that is open for writing cannot be executed.
    if (result == 0) result = host_reopen(file, O_RDONLY);
    close(file);
    return result;
}

#else

int helper_make_image(void) { return -ENOEXEC; }

#endif
