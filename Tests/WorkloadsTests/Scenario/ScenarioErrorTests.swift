// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Workloads

/// A wrong last line, the column and length of the offence, and words its message or remedy has.
struct WrongLine: Sendable, CustomTestStringConvertible {
    var line: String
    var column: Int
    var length: Int
    var says: String
    var testDescription: String { line }

    init(_ line: String, _ column: Int, _ length: Int, _ says: String) {
        (self.line, self.column, self.length, self.says) = (line, column, length, says)
    }
}

@Suite struct ScenarioErrorTests {
    private static let preamble = """
        process db
        db: heap = mmap 64K rw private anonymous
        file log = memfd 1M
        """

    static let wrong: [WrongLine] = [
        WrongLine("procss x", 1, 6, "does not begin a statement"),
        WrongLine("dn: munlockall", 1, 2, "Did you mean \"db\"?"),
        WrongLine("db: mlok heap", 5, 4, "Did you mean \"mlock\"?"),
        WrongLine("db: mlock haep", 11, 4, "Did you mean \"heap\"?"),
        WrongLine("db: mlock", 10, 0, "the line ends where"),
        WrongLine("db: mlock   # heap", 13, 0, "the line ends where"),
        WrongLine("db: mlock heap[4..<2]", 15, 7, "ends before it begins"),
        WrongLine("db: mlock heap[4", 17, 0, "heap[0..<10]"),
        WrongLine("db: x = mmap 64M rw privat", 21, 6, "Did you mean \"private\"?"),
        WrongLine("db: x = mmap 64m rw", 14, 3, "K, M, G, T"),
        WrongLine("db: x = mmap 64M wr", 18, 2, "Accepted here: none, r, w, x, rw"),
        WrongLine("db: x = munlock heap", 5, 1, "Only mmap, mremap, brk and shmat"),
        WrongLine("db: fork", 5, 4, "child = db: fork"),
        WrongLine("db = db: fork", 1, 2, "already"),
        WrongLine("process machine", 9, 7, "begins statements"),
        WrongLine("db: mmap 4K rw file lgo", 21, 3, "Did you mean \"log\"?"),
        WrongLine("db: mlock heap => ENOMEN", 19, 6, "Did you mean \"ENOMEM\"?"),
        WrongLine("db: mlock heap heap", 16, 4, "should have ended"),
        WrongLine("expect db VmLck 4K", 17, 2, "Accepted here: ==, !=, <"),
        WrongLine("expect db vmlck == 4K", 11, 5, "Did you mean \"VmLck\"?"),
        WrongLine("expect db VmLock == 4K", 11, 6, "Did you mean \"VmLck\"?"),
        WrongLine("expect db rollup Rsss == 4K", 18, 4, "Did you mean \"Rss\"?"),
        WrongLine("expect db smaps heap Locket == 4K", 22, 6, "Did you mean \"Locked\"?"),
        WrongLine("expect machine Mlockd == 4K", 16, 6, "Did you mean \"Mlocked\"?"),
        WrongLine("expect vmstat pgfaults == 1", 15, 8, "Did you mean \"pgfault\"?"),
        WrongLine("expect db maps == many", 19, 4, "is no number"),
        WrongLine("expect db VmLck ==", 19, 0, "the line ends where a value"),
        WrongLine("machine memory 4X", 16, 2, "K, M, G, T"),
        WrongLine("machine cpus 0", 14, 1, "from 1 to 1024"),
        WrongLine("machine cpus 1025", 14, 4, "from 1 to 1024"),
        WrongLine("machine nodes 17", 15, 2, "from 1 to 16"),
        WrongLine("machine maps 0", 14, 1, "from 1 to"),
        WrongLine("machine seed 1 cpus 2 seed 3", 23, 4, "in line 4, column 9 already"),
        WrongLine("db: munlockall on cpu 1024", 23, 4, "from 0 to 1023"),
        WrongLine("db: munlockall on cpu x", 23, 1, "the number of a CPU should"),
        WrongLine("db: mlock on cpu 1", 11, 0, "the line ends where"),
        WrongLine("process a on cpu", 11, 2, "should have ended before \"on\""),
        WrongLine("file x = memfd 1M on cpu 1", 19, 2, "a property of the file"),
        WrongLine("machine contents byte", 18, 4, "Did you mean \"bytes\"?"),
        WrongLine("file x = memfd 1M name \"open", 24, 5, "never ends"),
        WrongLine("é: munlockall", 1, 1, "no meaning"),
        WrongLine("\"é\" ; x", 5, 1, "no meaning"),
    ]

    @Test(arguments: wrong) func `an error points at what is wrong and says what to do`(
        wrong: WrongLine
    ) throws {
        let error = #expect(throws: ScenarioError.self) {
            try Scenario(parsing: Self.preamble + "\n" + wrong.line)
        }
        let found = try #require(error)
        #expect(found.place.line == 4)
        #expect(found.place.column == wrong.column)
        #expect(found.place.length == wrong.length)
        #expect(found.place.text == wrong.line)
        #expect((found.message + " " + found.remedy).contains(wrong.says), "\(found)")
    }

    @Test func `an error prints with its line and a caret`() throws {
        let error = #expect(throws: ScenarioError.self) {
            try Scenario(parsing: "process db\n\tdb: mlok 0x1000 4K")
        }
        #expect(
            try #require(error).description.hasPrefix(
                "line 2, column 6: \"mlok\" stands where a call should\n"
                    + "  \tdb: mlok 0x1000 4K\n"
                    + "  \t    ^^^^\n"
                    + "Did you mean \"mlock\"?"))
    }

    @Test func `a setting of the machine is said once, and the first place is named`() throws {
        let error = #expect(throws: ScenarioError.self) {
            try Scenario(parsing: "machine cpus 2 memory 1G\n\nmachine memory 2G")
        }
        #expect(
            try #require(error).description == """
                line 3, column 9: memory is set in line 1, column 16 already
                  machine memory 2G
                          ^^^^^^
                Say it once: a machine does not change while it runs.
                """)
    }

    @Test func `a scenario knows where it says what the machine is to be`() throws {
        let scenario = try Scenario(parsing: "# two lines\nmachine cpus 2 memory 4K")
        #expect(
            scenario.settingPlaces[.memory]
                == ScenarioPlace(
                    line: 2, column: 16, length: 9, text: "machine cpus 2 memory 4K"))
        #expect(scenario.settingPlaces[.nodes] == nil)
    }

    @Test func `a process that has exited does nothing more`() throws {
        let error = #expect(throws: ScenarioError.self) {
            try Scenario(parsing: "process db\ndb: exit\ndb: munlockall")
        }
        #expect(try #require(error).message.contains("exited in line 2"))
    }

    @Test func `a region of one process is none of another`() throws {
        let error = #expect(throws: ScenarioError.self) {
            try Scenario(
                parsing: """
                    process a
                    process b
                    a: heap = mmap 4K rw private anonymous
                    b: munmap heap
                    """)
        }
        #expect(try #require(error).message == "b has no region \"heap\"")
    }

    @Test func `no text makes the parser trap`() throws {
        var random = SeededRandom.fromEnvironment()
        let guide = Array(Scenario.guide.utf8)
        let lines = guide.split(separator: 0x0A)
        let snippets =
            [
                "[", "..<", "=>", "-", "+", "0x", "99999999999999999999", "9223372036854775807",
                "\"",
                "\\", " at ", ":", " = ", "expect ", "heap", "é", "\u{0}", "-0", "2251799813685247",
            ]
            .map { Array($0.utf8) }
        for round in 0..<4000 {
            // A whole guide seldom gets far once broken, so most rounds break one line of it.
            var text = round % 20 == 0 ? guide : []
            if text.isEmpty {
                text = Array("process db\ndb: heap = mmap 64K rw private anonymous\n".utf8)
                text += "file log = memfd 1M\nchild = db: fork\n".utf8
                text += lines.randomElement(using: &random) ?? []
            }
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<text.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: text[place] = UInt8.random(in: 0...255, using: &random)
                case 1: text.remove(at: place)
                case 2: text.insert(UInt8.random(in: 32...126, using: &random), at: place)
                case 3:
                    text.insert(contentsOf: snippets.randomElement(using: &random) ?? [], at: place)
                default: text.removeSubrange(place..<min(text.count, place + 5))
                }
                if text.isEmpty { break }
            }
            let string = String(decoding: text, as: UTF8.self)
            do {
                let scenario = try Scenario(parsing: string)
                let again = try Scenario(parsing: scenario.text)
                #expect(
                    again.items.map(\.action) == scenario.items.map(\.action),
                    "seed \(random.seed), round \(round)")
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
    }
}
