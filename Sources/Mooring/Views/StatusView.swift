// SPDX-License-Identifier: Apache-2.0
//
// The texts of /proc/PID/status and statm.
//
// LINUX   Of status the lines that mean something on this machine: what a process is called, and
//         its memory. Signals, credentials and scheduling are not managed here.

extension Machine.Task {
    /// What /proc/PID/status shows.
    public func status() -> String {
        let name = enter { machine.processes.name(of: process, on: $0.cpu) }
        return inspect { space, _ in
            let figures = ProcessFigures(of: space)
            let text = figures.code
            let head = "Name:\t\(name)\nState:\tR (running)\nTgid:\t\(number)\nPid:\t\(number)\n"
            let lines: [(String, Int)] = [
                ("VmPeak", figures.peakVirtual), ("VmSize", figures.virtual),
                ("VmLck", figures.locked), ("VmPin", 0), ("VmHWM", figures.peakResident),
                ("VmRSS", figures.resident), ("RssAnon", figures.residentAnonymous),
                ("RssFile", figures.residentFile), ("RssShmem", figures.residentSharedMemory),
                ("VmData", figures.data), ("VmStk", figures.stack), ("VmExe", text),
                ("VmLib", figures.executable - text), ("VmPTE", figures.tables),
                ("VmSwap", figures.swapped), ("HugetlbPages", 0),
            ]
            var buffer = TextBuffer()
            buffer.append(head)
            for (name, pages) in lines { buffer.appendStatus(name, pages: pages) }
            buffer.append("Threads:\t1\n")
            return buffer.text
        }
    }

    /// What /proc/PID/statm shows: size, resident, shared, text, lib, data, dirty, in pages.
    public func statm() -> String {
        inspect { space, _ in
            let figures = ProcessFigures(of: space)
            let shared = figures.residentFile + figures.residentSharedMemory
            let data = figures.data + figures.stack
            return "\(figures.virtual) \(figures.resident) \(shared) "
                + "\(figures.code) 0 \(data) 0\n"
        }
    }
}
