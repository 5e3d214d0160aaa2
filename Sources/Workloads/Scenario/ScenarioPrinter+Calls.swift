// SPDX-License-Identifier: Apache-2.0

import Mooring

extension ScenarioPrinter {
    /// A call with its arguments, without who does it.
    package func text(_ call: Call) -> String {
        switch call {
        case .setLockPrivilege(let isHeld): "privilege \(isHeld ? "on" : "off")"
        case .setAdministrator(let isHeld): "privilege admin \(isHeld ? "on" : "off")"
        default: "\(call.kind.rawValue)\(arguments(of: call))"
        }
    }

    /// The arguments, each with a space before it.
    private func arguments(of call: Call) -> String {
        switch call {
        case .mmap(let address, let length, let protection, let flags, let file, let offset):
            return " \(Quantity.text(length)) \(text(protection))"
                + self.flags(flags.rawValue, Words.map)
                + (address == .absolute(0) ? "" : " at \(text(address))")
                + (file.map { " file \(name(of: $0))" } ?? "")
                + (offset == 0 ? "" : " offset \(Quantity.text(offset))")
        case .munmap(let span), .mincore(let span), .mlock(let span), .munlock(let span),
            .load(let span):
            return " \(text(span))"
        case .mprotect(let span, let protection): return " \(text(span)) \(text(protection))"
        case .mremap(let span, let newLength, let flags, let address):
            return " \(text(span)) \(Quantity.text(newLength))"
                + self.flags(flags.rawValue, Words.remap)
                + (address == .absolute(0) ? "" : " at \(text(address))")
        case .madvise(let span, let advice):
            let word = Words.advice.first {
                $0.value == UInt64(truncatingIfNeeded: advice.rawValue)
            }
            return " \(text(span)) \(word?.scenario ?? "\(advice.rawValue)")"
        case .brk(let address), .shmdt(let address): return " \(text(address))"
        case .msync(let span, let flags):
            return " \(text(span))" + self.flags(flags.rawValue, Words.sync)
        case .mlock2(let span, let flags):
            return " \(text(span))" + self.flags(flags.rawValue, Words.lock)
        case .mlockall(let flags): return self.flags(flags.rawValue, Words.lockAll)
        case .remapFilePages, .movePages, .migratePages, .mbind: return placement(call)
        case .createFile, .ftruncate, .seal, .punchHole, .readFile, .writeFile, .shmat, .shmLock:
            return fileArguments(of: call)
        case .access(let span, let kind): return " \(text(span)) \(kind)"
        case .store(let span, let seed): return " \(text(span)) seed \(seed)"
        case .fork(let child, let sharesMemory):
            return " \(name(of: child))" + (sharesMemory ? " shares" : "")
        case .exec(let image): return text(image)
        case .setLimit(let resource, let soft, let hard):
            let word = Words.resources.first { $0.value == UInt64(resource.rawValue) }
            let limits = soft == hard ? [soft] : [soft, hard]
            return " \(word?.scenario ?? "memlock")"
                + limits.map { " " + ($0.map(Quantity.text) ?? "unlimited") }.joined()
        case .munlockall, .spawn, .exit, .setLockPrivilege, .setAdministrator: return ""
        }
    }

    private func placement(_ call: Call) -> String {
        switch call {
        case .remapFilePages(let span, let protection, let page, let flags):
            " \(text(span)) \(text(protection)) page \(page)"
                + self.flags(flags.rawValue, Words.map)
        case .movePages(let span, let node, let flags):
            " \(text(span))" + (node.map { " node \($0)" } ?? "") + self.flags(flags)
        case .migratePages(let from, let to):
            " from \(Quantity.hex(from)) to \(Quantity.hex(to))"
        case .mbind(let span, let mode, let nodes, let flags):
            " \(text(span)) mode \(mode) nodes \(Quantity.hex(nodes))" + self.flags(flags)
        default: ""
        }
    }

    private func fileArguments(of call: Call) -> String {
        switch call {
        case .ftruncate(let file, let length): " \(name(of: file)) \(Quantity.text(length))"
        case .seal(let file, let seals):
            " \(name(of: file))" + flags(seals.rawValue, Words.seals)
        case .punchHole(let file, let offset, let length),
            .readFile(let file, let offset, let length),
            .writeFile(let file, let offset, let length):
            " \(name(of: file)) \(Quantity.text(offset)) \(Quantity.text(length))"
        case .shmat(let file, let address, let flags):
            " \(name(of: file))" + self.flags(flags.rawValue, Words.attach)
                + (address == .absolute(0) ? "" : " at \(text(address))")
        case .shmLock(let file, let isLocked):
            " \(name(of: file)) \(isLocked ? "lock" : "unlock")"
        default: ""
        }
    }

    private func text(_ image: ExecImage) -> String {
        var text = " \(quoted(image.name))"
        if image.mapTop != ExecImage.defaultMapTop {
            text += " top \(Quantity.hex(image.mapTop))"
        }
        if image.breakStart != ExecImage.defaultBreakStart {
            text += " break \(Quantity.hex(image.breakStart))"
        }
        for area in image.areas {
            text +=
                " area \(Quantity.hex(area.address)) \(Quantity.text(area.length)) "
                + self.text(area.protection)
            if let file = area.file { text += " file \(name(of: file))" }
            if area.fileOffset != 0 { text += " offset \(Quantity.text(area.fileOffset))" }
            if area.purpose != .segment { text += " \(area.purpose)" }
        }
        return text
    }

    // MARK: Claims

    /// A claim, with the word `expect` before it.
    package func text(_ expectation: Expectation) -> String {
        "expect \(text(expectation.subject)) \(expectation.relation.rawValue) "
            + text(expectation.value, isText: expectation.subject.isText)
    }

    private func text(_ subject: Expectation.Subject) -> String {
        switch subject {
        case .status(let process, let field): "\(name(of: process)) \(field)"
        case .rollup(let process, let field): "\(name(of: process)) rollup \(field)"
        case .smaps(let process, let span, let field):
            "\(name(of: process)) smaps \(text(span)) \(field)"
        case .areaCount(let process, let span):
            "\(name(of: process)) maps" + (span.map { " \(text($0))" } ?? "")
        case .permissions(let process, let span): "\(name(of: process)) perms \(text(span))"
        case .flags(let process, let span): "\(name(of: process)) flags \(text(span))"
        case .pages(let process, let span, let state):
            "\(name(of: process)) \(state.rawValue) \(text(span))"
        case .machine(let field): "machine \(field)"
        case .vmstat(let counter): "vmstat \(counter)"
        }
    }

    private func text(_ value: Expectation.Value, isText: Bool) -> String {
        switch value {
        case .number(let number): return Quantity.text(number)
        case .text(let text):
            let isPlain =
                text.utf8.allSatisfy { byte in
                    let lower = byte | 0x20
                    return (lower >= 0x61 && lower <= 0x7A) || Lexer.isDigit(byte)
                        || " -_()".utf8.contains(byte)
                } && !text.isEmpty && text.first != " " && text.last != " "
            let readsAsText = isText || Quantity.parse(text) == nil
            return isPlain && readsAsText ? text : quoted(text)
        }
    }
}
