// SPDX-License-Identifier: Apache-2.0

import Mooring
import Workloads

/// Takes pictures of a machine while work runs on it, and keeps the one with the most memory used.
final class Camera {
    private let system: EngineSystem
    private let names: WorkloadNames
    private var best: MachinePicture?
    private var mostUsed: UInt64 = 0
    private static let cellLimit = 2048

    init(_ system: EngineSystem, names: WorkloadNames) {
        self.system = system
        self.names = names
    }

    /// Looks at the machine; called some hundred times in a run.
    func look(isLast: Bool) {
        let machine = system.machine
        let used = machine.configuration.memory.bytes - machine.freeMemory.bytes
        // A picture walks every descriptor, so only clear growth is worth one.
        guard best == nil || used > mostUsed + mostUsed / 32 else { return }
        mostUsed = used
        best = picture(isLast: isLast)
    }

    /// The picture that shows the most.
    func picture(_ configuration: MachineConfiguration) -> MachinePicture? { best }

    private func picture(isLast: Bool) -> MachinePicture {
        let machine = system.machine
        return MachinePicture(
            configuration: machine.configuration.line,
            moment: isLast ? "at the end of the run" : "when it was fullest",
            memory: PhysicalMap(machine.pageblockMap(), limit: Camera.cellLimit),
            zones: [
                ZoneFragmentation(
                    name: "all memory", freeBlocks: machine.fragmentation().freeBlocks)
            ],
            addressSpaces: addressSpaces(isLast ? "at the end" : "at its peak"))
    }

    /// The address spaces with the most resident memory, up to three.
    private func addressSpaces(_ moment: String) -> [AddressSpacePicture] {
        let resident = system.processes.compactMap { process in
            (try? system.sample(of: process).resident).map { (process, $0) }
        }
        return resident.sorted { ($1.1, $0.0) < ($0.1, $1.0) }.prefix(3).compactMap { process, _ in
            guard let task = try? system.task(of: process) else { return nil }
            return AddressSpacePicture(
                process: process, name: names.name(of: process), moment: moment,
                areas: task.vmaSummaries().map(AddressSpacePicture.Area.init))
        }
    }
}

extension AddressSpacePicture.Area {
    fileprivate init(_ vma: VMASummary) {
        self.init(
            start: vma.start, end: vma.end, rights: vma.rights, name: vma.name,
            resident: UInt64(vma.resident) * pageSize, locked: UInt64(vma.locked) * pageSize)
    }
}

extension MachineConfiguration {
    /// The machine in one line.
    fileprivate var line: String {
        let size = memory.bytes
        let amount =
            size % (1 << 30) == 0 ? "\(size >> 30) GiB" : "\(size >> 20) MiB"
        return "\(amount), \(nodes) \(nodes == 1 ? "node" : "nodes"), "
            + "\(cpus) \(cpus == 1 ? "CPU" : "CPUs"), mlock counts"
    }
}
