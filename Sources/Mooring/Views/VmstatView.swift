// SPDX-License-Identifier: Apache-2.0
//
// The text of /proc/vmstat.

extension Machine {
    /// What /proc/vmstat shows.
    public func vmstat() -> String {
        inspect { _ in
            let zones = allocator.zoneStatistics
            let ofZones = zoneCounters(zones)
            let ofNodes = nodeCounters(zones)
            let events = eventCounters()
            var text = ""
            for name in KernelCounters.zone { text += "\(name) \(ofZones[name] ?? 0)\n" }
            for name in KernelCounters.locality { text += "\(name) 0\n" }
            for name in KernelCounters.node { text += "\(name) \(ofNodes[name] ?? 0)\n" }
            for name in KernelCounters.machine { text += "\(name) 0\n" }
            for name in KernelCounters.events { text += "\(name) \(events[name] ?? 0)\n" }
            return text
        }
    }
}
