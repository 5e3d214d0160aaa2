// SPDX-License-Identifier: Apache-2.0

import Mooring

/// What processes hold.
extension RunSession {
    /// Looks at what a process holds.
    ///
    /// - Returns: What it holds, or held when it was last seen; `nil` if it is gone, or if its
    ///   memory is another's, so that it has no peaks of its own.
    @discardableResult
    func observe(_ process: ProcessID) -> ProcessSample? {
        guard let state = processes[process], !state.sharesMemory else { return nil }
        // One that the kernel killed can no longer be asked.
        guard let sample = try? system.sample(of: process) else { return state.last }
        processes[process]?.last = sample
        summary.processes[state.index].peak.raise(to: MemoryFigures(sample))
        let peak = max(summary.processes[state.index].peak.resident, sample.peakResident)
        summary.processes[state.index].peak.resident = peak
        summary.processes[state.index].minorFaults = sample.minorFaults
        summary.processes[state.index].majorFaults = sample.majorFaults
        return sample
    }

    /// An address space ends: what it held is held against the recording.
    ///
    /// - Parameters:
    ///   - process: Whose it is.
    ///   - sample: What it held; `nil` for one that was another's.
    ///   - isCutShort: Whether the work had more to do in it.
    func endImage(of process: ProcessID, _ sample: ProcessSample?, isCutShort: Bool = false) {
        guard let sample, let state = processes[process] else { return }
        let recorded = recordedImages[ImageKey(process: process, image: state.image)]
        summary.processes[state.index].images.append(
            ImageSummary(
                image: state.image, name: summary.processes[state.index].name,
                peakResident: sample.peakResident, recordedPeakResident: recorded?.peakResident,
                lastResident: ResidentFigures(sample), recordedLastResident: recorded?.lastResident,
                isCutShort: isCutShort, isIncomplete: state.missing != nil)
        )
    }

    func addPoint(_ item: WorkItem, at index: Int) {
        var point = TimelinePoint(
            step: index, time: item.time, processes: [], total: MemoryFigures())
        for process in processes.keys.sorted() {
            guard let figures = observe(process).map(MemoryFigures.init) else { continue }
            point.processes.append(.init(process: process, figures: figures))
            point.total.add(figures)
        }
        summary.peak.raise(to: point.total)
        summary.timeline.append(point)
    }
}
