// SPDX-License-Identifier: Apache-2.0
//
// The errors that the manual names, held against the lessons: each is claimed of the call somewhere,
// or its lesson says under "Not given here" why it cannot be.

import Foundation
import Mooring
import Testing
import Workloads

/// A page of the manual, and the lesson that answers for it.
struct ManualPage: CustomTestStringConvertible, Sendable {
    /// The name of the page, which may cover several calls.
    let page: String
    /// The call whose lesson it is about, as the manual calls it, and the name of that lesson.
    let call: String
    /// The errors under ERRORS.
    let errors: [String]

    var testDescription: String { call }

    init(_ page: String, _ call: String, _ errors: String) {
        self.page = page
        self.call = call
        self.errors = errors.split(separator: " ").map(String.init)
    }

    /// As in release 6.03 of the pages.
    static let all: [ManualPage] = {
        let mapping =
            "EACCES EAGAIN EBADF EEXIST EINVAL ENFILE ENODEV ENOMEM EOVERFLOW EPERM ETXTBSY"
        let locking = "EAGAIN EINVAL ENOMEM EPERM"
        return [
            ManualPage("mmap", "mmap", mapping),
            ManualPage("mmap", "munmap", mapping),
            ManualPage("mprotect", "mprotect", "EACCES EINVAL ENOMEM"),
            ManualPage("mremap", "mremap", "EAGAIN EFAULT EINVAL ENOMEM"),
            ManualPage(
                "madvise", "madvise",
                "EACCES EAGAIN EBADF EBUSY EFAULT EHWPOISON EINVAL EIO ENOMEM EPERM"),
            ManualPage("brk", "brk", ""),
            ManualPage("mincore", "mincore", "EAGAIN EFAULT EINVAL ENOMEM"),
            ManualPage("msync", "msync", "EBUSY EINVAL ENOMEM"),
            ManualPage("mlock", "mlock", locking),
            ManualPage("mlock", "mlock2", locking),
            ManualPage("mlock", "munlock", locking),
            ManualPage("mlock", "mlockall", locking),
            ManualPage("mlock", "munlockall", locking),
            ManualPage("remap_file_pages", "remap_file_pages", "EINVAL"),
            ManualPage("fork", "fork", "EAGAIN ENOMEM ENOSYS ERESTARTNOINTR"),
            ManualPage(
                "execve", "exec",
                "E2BIG EACCES EAGAIN EFAULT EINVAL EIO EISDIR ELIBBAD ELOOP EMFILE ENAMETOOLONG "
                    + "ENFILE ENOENT ENOEXEC ENOMEM ENOTDIR EPERM ETXTBSY"),
            ManualPage("_exit", "exit", ""),
            ManualPage(
                "move_pages", "move_pages", "E2BIG EACCES EFAULT EINVAL ENODEV EPERM ESRCH"),
            ManualPage("migrate_pages", "migrate_pages", "EFAULT EINVAL EPERM ESRCH"),
            ManualPage("mbind", "mbind", "EFAULT EINVAL EIO ENOMEM EPERM"),
            ManualPage(
                "memfd_create", "memfd_create", "EFAULT EINVAL EMFILE ENFILE ENOMEM"),
            ManualPage(
                "truncate", "ftruncate",
                "EACCES EBADF EFAULT EFBIG EINTR EINVAL EIO EISDIR ELOOP ENAMETOOLONG ENOENT "
                    + "ENOTDIR EPERM EROFS ETXTBSY"),
            ManualPage(
                "shmget", "shmget", "EACCES EEXIST EINVAL ENFILE ENOENT ENOMEM ENOSPC EPERM"),
            ManualPage("shmop", "shmat", "EACCES EIDRM EINVAL ENOMEM"),
            ManualPage(
                "shmctl", "shmctl", "EACCES EFAULT EIDRM EINVAL ENOMEM EOVERFLOW EPERM"),
            ManualPage("getrlimit", "setrlimit", "EFAULT EINVAL EPERM ESRCH"),
        ]
    }()

    /// The errors of the page that is installed here; `nil` without it, or with another release's.
    func installed() throws -> [String]? {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/zcat")
        process.arguments = ["/usr/share/man/man2/\(page).2.gz"]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        do { try process.run() } catch { return nil }
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
        guard lines.contains(where: { $0.hasPrefix(".TH") && $0.contains("man-pages 6.03") })
        else { return nil }
        let section = lines.drop { $0 != ".SH ERRORS" }.dropFirst().prefix { !$0.hasPrefix(".SH") }
        // A paragraph's tag is the name, also that of the first, which needs no .TP before it.
        var errors: Set<String> = []
        var isTag = true
        for line in section {
            if isTag { errors.formUnion(Lesson.errorNames(in: line)) }
            isTag = line.hasPrefix(".TP")
        }
        return errors.sorted()
    }
}

@Suite struct `Errors of the manual` {
    /// The errors that lessons claim of each call, by the manual's name for it.
    private static let claimed: Result<[String: Set<String>], any Error> = Result {
        var claimed: [String: Set<String>] = [:]
        for lesson in Lesson.all {
            for item in try lesson.scenario().items {
                guard case .operation(let operation, let expected) = item.action else { continue }
                claimed[name(of: operation.call), default: []].formUnion(errors(of: expected))
            }
        }
        return claimed
    }

    private static func name(of call: Call) -> String {
        switch call {
        case .createFile(_, let description):
            switch description.kind {
            case .memory: "memfd_create"
            case .sharedMemory: "shmget"
            case .disk: "open"
            }
        case .setLimit: "setrlimit"
        default: call.name
        }
    }

    private static func errors(of expected: ExpectedOutcome) -> [String] {
        switch expected {
        case .failed(let error): [error.description]
        case .nodes(let nodes): nodes.filter { $0 < 0 }.map { Errno(rawValue: -$0).description }
        default: []
        }
    }

    @Test(arguments: ManualPage.all)
    func `are claimed, or the lesson says why not`(page: ManualPage) throws {
        let claimed = try Self.claimed.get()[page.call] ?? []
        let lesson = try #require(Lesson.all.first { $0.testDescription == page.call })
        let excused = try lesson.errorsNotGiven()
        let named = Set(page.errors)
        #expect(named.subtracting(claimed).subtracting(excused).isEmpty, "neither")
        #expect(excused.isSubset(of: named), "not in the manual")
        #expect(claimed.isDisjoint(with: excused), "claimed all the same")
    }

    @Test(arguments: ManualPage.all)
    func `are those of the page`(page: ManualPage) throws {
        guard let installed = try page.installed() else {
            try Test.cancel("\(page.page)(2) of man-pages 6.03 is not installed here")
        }
        #expect(installed == page.errors.sorted())
    }
}

extension Lesson {
    /// The errors that its last comment says the call does not give here, each with a reason.
    fileprivate func errorsNotGiven() throws -> Set<String> {
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        var text = ""
        for line in lines.drop(while: { $0 != "# Not given here:" }).dropFirst() {
            text += line.dropFirst() + " "
        }
        // Names, a colon, and a reason that ends in a full stop; a name begins the next entry.
        var errors: Set<String> = []
        for entry in text.matches(of: /\s{2,3}(E[A-Z0-9]+(?:,\s+E[A-Z0-9]+)*):\s+[^:]*?\./) {
            errors.formUnion(Self.errorNames(in: entry.output.1))
        }
        return errors
    }

    /// The names of errors in a text.
    static func errorNames(in text: Substring) -> [String] {
        text.matches(of: /\bE[A-Z0-9]{2,}\b/).map { String($0.output) }
    }
}
