// SPDX-License-Identifier: Apache-2.0

import Mooring
import Workloads

/// Takes pictures of a machine while work runs on it, and keeps the one that shows the most.
final class Camera {
    private let system: EngineSystem
    private let names: WorkloadNames

    init(_ system: EngineSystem, names: WorkloadNames) {
        self.system = system
        self.names = names
    }

    func look(isLast: Bool) {}
    func picture(_ configuration: MachineConfiguration) -> MachinePicture? { nil }
}
