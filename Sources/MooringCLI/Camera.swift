// SPDX-License-Identifier: Apache-2.0

import Mooring
import Workloads

/// Takes pictures of a machine while work runs on it: of its memory when it was fullest, and of
/// each process's address space when that held most.
final class Camera {
    private let system: EngineSystem
    private let workload: Workload
    private var machinePicture: MachinePicture?
    private var mostUsed: UInt64 = 0
    private var spaces: [ProcessID: (resident: UInt64, picture: AddressSpacePicture)] = [:]
    /// More cells than a report draws; it folds the map as its width allows.
    private static let cellLimit = 1 << 16
    private static let shownSpaces = 3

    init(_ system: EngineSystem, workload: Workload) {
        self.system = system
        self.workload = workload
    }

    /// Looks at the machine; called some hundred times in a run.
    func look(isLast: Bool) {
        let machine = system.machine
        let used = machine.configuration.memory.bytes - machine.freeMemory.bytes
        // A picture walks every descriptor, so only clear growth is worth one.
        if machinePicture == nil || used > mostUsed + mostUsed / 32 {
            mostUsed = used
            machinePicture = picture(isLast: isLast)
        }
        for process in system.processes {
            guard let resident = try? system.sample(of: process).resident else { continue }
            let best = spaces[process]?.resident ?? 0
            if resident > best + best / 32 { spaces[process] = (resident, picture(of: process)) }
        }
    }

    /// What was seen, with the largest address spaces first.
    func picture() -> MachinePicture? {
        var picture = machinePicture
        let largest = spaces.sorted {
            ($1.value.resident, $0.key) < ($0.value.resident, $1.key)
        }
        picture?.addressSpaces = largest.prefix(Camera.shownSpaces).map(\.value.picture)
        return picture
    }

    private func picture(isLast: Bool) -> MachinePicture {
        let machine = system.machine
        return MachinePicture(
            configuration: machine.configuration.line,
            moment: isLast ? "at the end of the run" : "when it was fullest",
            memory: PhysicalMap(machine.pageblockMap(), limit: Camera.cellLimit),
            zones: [
                ZoneFragmentation(
                    name: "all memory", freeBlocks: machine.fragmentation().freeBlocks)
            ])
    }

    private func picture(of process: ProcessID) -> AddressSpacePicture {
        let areas = (try? system.task(of: process).vmaSummaries()) ?? []
        return AddressSpacePicture(
            process: process, name: name(of: process), moment: "at its peak",
            areas: areas.map(AddressSpacePicture.Area.init))
    }

    /// What a process is called now: a recorded one changes its name with the program it executes.
    private func name(of process: ProcessID) -> String {
        let name = (try? system.text(.status, of: process)).flatMap {
            ViewText.field("Name", in: $0)
        }
        if case .recording = workload, let name, !name.isEmpty { return String(name) }
        return workload.names.name(of: process)
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
        let amount = size % (1 << 30) == 0 ? "\(size >> 30) GiB" : "\(size >> 20) MiB"
        return "\(amount), \(nodes) \(nodes == 1 ? "node" : "nodes"), "
            + "\(cpus) \(cpus == 1 ? "CPU" : "CPUs"), mlock counts"
    }
}
