// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Testing

@testable import Mooring

@Suite struct CallConcurrencyTests {
    /// Four CPUs: two processes, each of two threads that share its address space, and files that
    /// all of them map.
    @Test(arguments: TreeRandom.seeds)
    func `threads that share address spaces and files leave a machine that adds up`(
        seed: UInt64
    ) throws {
        print("Calls by threads: MOORING_SEED=\(seed)")
        let bench = try CallBench(contents: .none, cpus: 4)
        let other = bench.machine.spawn()
        let memory = bench.machine.makeFile(named: "m", kind: .memory, length: .pages(48))
        let disk = bench.machine.makeFile(named: "d", kind: .disk, length: .pages(48))
        let workers = [
            bench.task.on(cpu: 0), bench.task.cloneSharingMemory().on(cpu: 1), other.on(cpu: 2),
            other.cloneSharingMemory().on(cpu: 3),
        ]
        for round in 0..<4 {
            DispatchQueue.concurrentPerform(iterations: workers.count) { index in
                var random = TreeRandom(seed: seed &+ UInt64(round * 4 + index))
                for _ in 0..<1500 {
                    step(workers[index], [memory, disk], bench, &random)
                }
            }
            try bench.machine.audit()
        }
        for worker in workers { worker.exit() }
        memory.close()
        disk.close()
        bench.machine.drainBatches()
        try bench.machine.audit()
        #expect(bench.committed == 0)
    }

    /// One call; what it returns is for others to check.
    private func step(
        _ task: Machine.Task, _ files: [Machine.File], _ bench: CallBench,
        _ random: inout TreeRandom
    ) {
        let length = 1 + random.below(16)
        let start = 480 + random.below(64 - length)
        let region = bench.region(start, length)
        switch random.below(24) {
        case 0...2:
            _ = try? task.mmap(
                address: region.address, length: .bytes(region.length),
                protection: [.read, .write], flags: [.private, .anonymous, .fixed])
        case 3...4:
            _ = try? task.mmap(
                address: region.address, length: .bytes(region.length),
                protection: [.read, .write],
                flags: random.below(2) == 0 ? [.private, .fixed] : [.shared, .fixed],
                file: files[random.below(2)], offset: .pages(UInt64(random.below(32))))
        case 5: _ = try? task.munmap(region)
        case 6...7:
            _ = try? task.mprotect(region, [.none, .read, [.read, .write]][random.below(3)])
        case 8:
            _ = try? task.mremap(
                region, to: .bytes(region.length),
                random.below(2) == 0
                    ? [.mayMove, .fixed] : [.mayMove, .fixed, .dontUnmap],
                at: bench.region(480 + random.below(64 - length), 1).address)
        case 9: _ = try? task.mlock(region, onFault: random.below(2) == 0)
        case 10: _ = try? task.munlock(region)
        case 11: _ = try? task.madvise(region, .dontNeed)
        case 12: _ = try? task.madvise(region, .free)
        case 13: _ = try? task.madvise(region, .remove)
        case 14: _ = try? task.madvise(region, .guardInstall)
        case 15: _ = try? task.madvise(region, .guardRemove)
        case 16: _ = try? task.msync(region, .sync)
        case 17:
            if let child = try? task.fork() {
                _ = try? child.access(region, .write)
                child.exit()
            }
        case 18:
            // A file's descriptor runs on the first CPU, which may be busy: it waits its turn.
            try? files[random.below(2)].truncate(to: .pages(UInt64(16 + random.below(33))))
        default: _ = try? task.access(region, random.below(2) == 0 ? .write : .read)
        }
    }
}
