// SPDX-License-Identifier: Apache-2.0
//
// Reclaim and devices as a user of a machine drives them.

extension Machine {
    /// Asks for memory to be reclaimed, as writing to a group's memory.reclaim does.
    ///
    /// Waits, in virtual time, for pages that have to be written first.
    ///
    /// - Parameters:
    ///   - amount: How much.
    ///   - cpuIndex: The virtual CPU that does it.
    /// - Returns: How much was freed; less when nothing is left that can be.
    @discardableResult
    public func reclaim(_ amount: ByteCount, on cpuIndex: Int = 0) -> ByteCount {
        withCPU(cpuIndex) { cpu in
            .pages(UInt64(spaces.reclaim.reclaim(Int(amount.bytes >> pageShift), on: cpu)))
        }
    }

    /// Looks at this much of each node's inactive lists, as a pass of reclaim does.
    ///
    /// - Returns: How much was freed.
    @discardableResult
    package func scanInactive(_ amount: ByteCount, on cpuIndex: Int = 0) -> ByteCount {
        withCPU(cpuIndex) { cpu in
            .pages(UInt64(spaces.reclaim.scanInactive(Int(amount.bytes >> pageShift), on: cpu)))
        }
    }

    /// Kills whoever has to go, and takes his memory, as an allocation of this task's does when
    /// nothing else is left.
    package func killForMemory(wantedBy task: Machine.Task, on cpuIndex: Int) {
        withCPU(cpuIndex) { cpu in
            _ = spaces.outOfMemory.makeRoom(for: task.process.space, on: cpu)
        }
    }

    /// How many frames reclaim has looked at.
    package var framesScanned: Int { total(.pgscanAnon) + total(.pgscanFile) }

    /// How many frames reclaim has freed.
    package var framesReclaimed: Int { total(.pgstealAnon) + total(.pgstealFile) }

    /// How much of the swap areas is taken.
    public var swapInUse: ByteCount { .pages(UInt64(swap.totalSlots - swap.freeSlots)) }

    /// Waits, on CPU 0, for everything that is being written.
    package func endWrites() {
        withCPU(0) { cpu in
            device.waitForAll(on: cpu)
            swap.device.waitForAll(on: cpu)
        }
    }

    /// Makes the device that files are on fail from now on, or work again.
    public func setFileDeviceFailures(_ failures: DeviceFailures) { device.failures = failures }

    /// Makes the device that swap areas are on fail from now on, or work again.
    public func setSwapDeviceFailures(_ failures: DeviceFailures) {
        swap.device.failures = failures
    }

    private func withCPU<Result>(_ index: Int, _ body: (CPU) -> Result) -> Result {
        let cpu = cpus[index]
        cpu.enter()
        defer { cpu.leave() }
        return body(cpu)
    }
}
