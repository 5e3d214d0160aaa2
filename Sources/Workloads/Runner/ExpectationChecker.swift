// SPDX-License-Identifier: Apache-2.0

import Mooring

/// Whether a claim holds.
enum ExpectationResult: Hashable {
    case holds
    /// It does not; what is the case instead.
    case fails(String)
}

/// Holds claims against a system's views.
struct ExpectationChecker {
    private let system: any MemorySystem
    private let names: WorkloadNames
    /// vmstat when the run began.
    private let before: [String: UInt64]

    init(system: any MemorySystem, workload: Workload) {
        self.system = system
        names = workload.names
        var asksVmstat = false
        if case .scenario(let scenario) = workload {
            asksVmstat = scenario.items.contains { item in
                if case .expect(let claim) = item.action, case .vmstat = claim.subject {
                    return true
                }
                return false
            }
        }
        let text = asksVmstat ? try? system.text(.vmstat) : nil
        before = ViewText.counters(text ?? "")
    }

    /// Holds one claim against the views as they are now.
    func check(_ expectation: Expectation, book: AddressBook?) -> ExpectationResult {
        do {
            return try result(of: expectation, book)
        } catch let unresolved as UnresolvedAddress {
            return .fails("the region \"\(names.name(of: unresolved.region))\" is nowhere")
        } catch {
            return .fails("\(error)")
        }
    }

    private func result(
        of expectation: Expectation, _ book: AddressBook?
    ) throws -> ExpectationResult {
        switch expectation.subject {
        case .status(let process, let field):
            return compare(expectation, field, in: try system.text(.status, of: process))
        case .rollup(let process, let field):
            return compare(expectation, field, in: try system.text(.smapsRollup, of: process))
        case .machine(let field):
            return compare(expectation, field, in: try system.text(.meminfo))
        case .vmstat(let counter):
            let counters = ViewText.counters(try system.text(.vmstat))
            guard let value = counters[counter] else {
                return missing(counter)
            }
            // Levels begin with nr_; all else counts events.
            let start = counter.hasPrefix("nr_") ? 0 : before[counter] ?? 0
            return compare(expectation, value &- start)
        case .areaCount(let process, let span):
            let areas = ViewText.areas(try system.text(.maps, of: process))
            let count = try span.map { try overlapping(areas, $0, book).count } ?? areas.count
            return compare(expectation, UInt64(count))
        case .smaps(let process, let span, let field):
            let areas = try self.areas(.smaps, process, span, book)
            let values = areas.compactMap { $0.bytes(field) }
            guard values.count == areas.count else {
                return missing(field)
            }
            return compare(expectation, values.reduce(0, &+))
        case .permissions(let process, let span):
            let columns = try areas(.maps, process, span, book).map { String($0.permissions) }
            return every(expectation, columns) { $0 == $1 }
        case .flags(let process, let span):
            return flags(expectation, try areas(.smaps, process, span, book).map(\.flags))
        case .pages(let process, let span, let state):
            return compare(expectation, try pages(of: process, span, state, book))
        }
    }

    // MARK: Looking

    private func areas(
        _ view: ProcessView, _ process: ProcessID, _ span: Span, _ book: AddressBook?
    ) throws -> [AreaText] {
        let areas = try overlapping(
            ViewText.areas(try system.text(view, of: process)), span, book)
        guard !areas.isEmpty else { throw SystemFailure("nothing is mapped there") }
        return areas
    }

    private func overlapping(
        _ areas: [AreaText], _ span: Span, _ book: AddressBook?
    ) throws -> [AreaText] {
        let (start, length) = try resolve(span, book)
        let (end, overflow) = start.addingReportingOverflow(max(1, length))
        let range = start..<(overflow ? .max : end)
        return areas.filter { $0.range.overlaps(range) }
    }

    private func resolve(
        _ span: Span, _ book: AddressBook?
    ) throws -> (address: UInt64, length: UInt64) {
        guard let book else { throw SystemFailure("the process does not exist") }
        guard case .absolute(let address, let length) = try book.resolve(span) else {
            throw SystemFailure("the span has no address")
        }
        return (address, length)
    }

    private func pages(
        of process: ProcessID, _ span: Span, _ state: Expectation.PageState, _ book: AddressBook?
    ) throws -> UInt64 {
        var (address, length) = try resolve(span, book)
        guard length <= 1 << 40 else {
            throw SystemFailure("a span of more than 1 TiB, of which the pages are not counted")
        }
        // Whole pages from the first to the last that the span touches.
        length = (length &+ address % pageSize).roundedUpToPages
        address = address.pageAligned
        let bit: UInt64 =
            switch state {
            case .present: 1 << 63
            case .swapped: 1 << 62
            case .file: 1 << 61
            case .exclusive: 1 << 56
            }
        var count: UInt64 = 0
        while length > 0 {
            let piece = min(length, 65536 * pageSize)
            let entries = try system.pagemap(
                of: process, address: address, pages: Int(piece / pageSize))
            count += UInt64(entries.count { $0 & bit != 0 })
            address &+= piece
            length -= piece
        }
        return count
    }

    // MARK: Comparing

    private func compare(
        _ expectation: Expectation, _ field: String, in text: String
    ) -> ExpectationResult {
        guard let found = ViewText.field(field, in: text) else {
            return missing(field)
        }
        switch expectation.value {
        case .number:
            guard let number = ViewText.quantity(found) else { return .fails("\"\(found)\"") }
            return compare(expectation, number)
        case .text(let text):
            let holds = (found == text) == (expectation.relation == .equal)
            return holds ? .holds : .fails("\"\(found)\"")
        }
    }

    private func compare(_ expectation: Expectation, _ found: UInt64) -> ExpectationResult {
        guard case .number(let wanted) = expectation.value else {
            return .fails(Quantity.text(found))
        }
        let holds =
            switch expectation.relation {
            case .equal: found == wanted
            case .notEqual: found != wanted
            case .less: found < wanted
            case .lessOrEqual: found <= wanted
            case .greater: found > wanted
            case .greaterOrEqual: found >= wanted
            case .has, .lacks: false
            }
        return holds ? .holds : .fails(Quantity.text(found))
    }

    private func every(
        _ expectation: Expectation, _ found: [String], _ fits: (String, String) -> Bool
    ) -> ExpectationResult {
        guard case .text(let wanted) = expectation.value else { return .fails("no text") }
        let wantsEqual = expectation.relation == .equal
        let holds = found.allSatisfy { fits($0, wanted) == wantsEqual }
        return holds ? .holds : .fails(found.joined(separator: ", "))
    }

    private func flags(
        _ expectation: Expectation, _ found: [Set<Substring>]
    ) -> ExpectationResult {
        guard case .text(let text) = expectation.value else { return .fails("no flags") }
        let wanted = Set(text.split(separator: " "))
        let holds = found.allSatisfy { flags in
            switch expectation.relation {
            case .has: flags.isSuperset(of: wanted)
            case .lacks: flags.isDisjoint(with: wanted)
            case .notEqual: flags != wanted
            default: flags == wanted
            }
        }
        let texts = found.map { $0.sorted().joined(separator: " ") }
        return holds ? .holds : .fails(texts.joined(separator: ", "))
    }

    /// A field that the engine's view has, and this system's has not.
    private func missing(_ name: String) -> ExpectationResult {
        .fails("\(system.name)'s view has no \"\(name)\"")
    }
}

extension Expectation.Subject {
    /// Whether it is about the machine rather than about a process.
    var isMachineWide: Bool { process == nil }

    /// The process it is about.
    var process: ProcessID? {
        switch self {
        case .status(let process, _), .rollup(let process, _), .smaps(let process, _, _),
            .areaCount(let process, _), .permissions(let process, _), .flags(let process, _),
            .pages(let process, _, _):
            process
        case .machine, .vmstat: nil
        }
    }
}
