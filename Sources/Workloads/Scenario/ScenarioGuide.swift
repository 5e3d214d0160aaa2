// SPDX-License-Identifier: Apache-2.0

extension Scenario {
    /// The language by example: a scenario that uses all of it, which the tests parse and print.
    package static let guide = """
        # One statement a line; a comment runs from # to the end of the line.
        # Numbers: 4096, 4K, 64M, 4G, 1T, 0x7f0000000000, 1_000_000. Lengths are in bytes.

        # The machine. What is not said here is the system's default; a real kernel ignores it.
        machine memory 4G nodes 1 cpus 2 contents bytes mlock count orders none tables never
        machine overcommit 0 maps 65530 seed 7 swap 1G swappiness 60

        # Files: in memory, on a disk, and segments of System V shared memory.
        file log = memfd 1M
        file data = disk 4M name "/var/lib/db/data file" access r
        file segment = shm 64K
        file record = memfd 64K sealable
        file nothing = shm 0 => EINVAL

        # A process, and regions of its memory by name.
        process db
        db: heap = mmap 64M rw private anonymous
        db: table = mmap 16K r private file data offset 4K
        db: fast = mmap 8K rw private anonymous fixed_noreplace at 0x10000000
        db: window = mmap 1M rw shared file log populate

        # Without => a call must succeed. After => stand: ok, any, fails, an error, a signal (with
        # "at ADDRESS" if it matters), a number, an address, mincore's pages, or the nodes (and
        # errors) that move_pages finds.
        db: mlock2 heap[0..<8] onfault
        db: mlock 0x1000 4K => ENOMEM
        db: munmap heap+1 4K => EINVAL
        db: fast = mremap fast 16K maymove
        db: madvise heap dontneed => EINVAL
        db: mincore heap[0..<4] => 0000
        db: mprotect table rw => ok

        # Accesses count pages of a region: heap[3], heap[0..<10], heap[0...9]. A span in bytes is
        # heap+100 4K, an absolute one 0x1000 4K.
        db: touch heap[0..<10] write
        db: touch table[0] execute => SEGV_ACCERR at table[0]
        db: ftruncate log 4K
        db: touch window[3] read => SIGBUS
        db: store heap[0..<10] seed 7
        db: load heap[0..<10] => seed 7
        db: write_file log 0 4K
        db: read_file log 0 4K
        db: punch_hole log 0 4K
        db: msync window[0] sync
        db: seal record shrink grow

        # Processes run on the machine's CPUs in turn. A process or a child may be put on one, and
        # any other line may say where it is carried out, as if by a thread there.
        busy = db: fork on cpu 1
        busy: touch heap[0] write on cpu 0
        db: munlock heap[0] on cpu 1 => ok
        db: mlock2 heap[0] onfault
        busy: exit

        # A child inherits its parent's regions by name. Further calls are named as in the manual.
        child = db: fork
        child: munlock heap[0..<4] => ok
        child: shared = shmat segment rdonly
        child: shmctl segment lock
        child: shmdt shared
        child: top = brk 0x0 => any
        child: setlimit memlock 64K unlimited
        child: privilege off
        child: privilege admin off
        child: mlockall current future onfault => any
        child: munlockall
        child: remap_file_pages window none page 1 => any
        child: move_pages heap[0..<2] node 0 => any
        child: move_pages heap[9..<11] => nodes 0 ENOENT
        child: migrate_pages from 0x1 to 0x1 => any
        child: mbind heap mode 2 nodes 0x1 => any

        # What must be true now. A field of status; VMAs; a field of smaps, flags or permissions of
        # the VMAs that a region overlaps; pages present, swapped out, mapped by nobody else, or of a
        # file or shared memory. Comparisons are == != < <=
        # > >=, and "has" and "lacks" for flags.
        expect db VmLck == 32K
        expect db maps >= 4
        expect db maps heap == 2
        expect db smaps heap Locked <= 32K
        expect db rollup Rss >= 40K
        expect db flags heap[0..<8] has lo ac
        expect child flags heap lacks lo
        expect db perms table == rw-p
        expect db present heap[0..<16] == 10
        expect db swapped heap == 0
        expect db exclusive heap == 0
        expect db file window == 0

        # Of the whole machine: a field of meminfo, and a counter of vmstat since the run began.
        expect machine Mlocked >= 32K
        expect vmstat pgfault >= 10

        # A new program. Its areas replace the address space.
        vchild = db: fork shares
        vchild: exec "true" top 0x7ffff7ff0000 break 0x555555560000 area 0x400000 4K rx file data \
        area 0x7ffffffde000 132K rw stack
        vchild: exit
        child: exit
        db: exit
        """
}
