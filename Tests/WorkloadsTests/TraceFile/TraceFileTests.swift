// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing

@testable import Workloads

@Suite struct TraceFileTests {
    private static func error(reading bytes: [UInt8]) -> TraceFileError? {
        do throws(TraceFileError) {
            _ = try Recording(traceBytes: bytes)
            return nil
        } catch {
            return error
        }
    }

    @Test func `the checksum is that of the standard's example`() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    }

    @Test func `any recording is read as it was written`() throws {
        let seed = SeededRandom.fromEnvironment()
        var source = RandomRecording(random: seed)
        for round in 0..<60 {
            let recording = source.recording(steps: round * 20)
            let again = try Recording(traceBytes: recording.traceBytes())
            #expect(again == recording, "seed \(seed.seed), round \(round)")
        }
    }

    @Test func `the random recordings hold every kind of call`() {
        var source = RandomRecording(random: SeededRandom(seed: 1))
        let names = Set((0..<RandomRecording.callKinds).map { source.call($0).name })
        #expect(names.count == RandomRecording.callKinds)
    }

    @Test func `a fault takes at most eight bytes`() throws {
        // Three areas walked in turn by two threads, with a page here and there: as programs do.
        var random = SeededRandom(seed: 7)
        var recording = Recording(command: "walk", source: "test")
        var places: [UInt64] = [0x7F12_3456_7010, 0x5555_5555_A123, 0x7FFF_F7D0_0FF8]
        var time: UInt64 = 0
        for index in 0..<50_000 {
            time += UInt64.random(in: 300...40_000, using: &random)
            let area = Int.random(in: 0..<3, using: &random)
            places[area] &+= UInt64.random(in: 1...9000, using: &random)
            recording.steps.append(
                Step(
                    time: time, thread: 40 + Int32(index / 64 % 2),
                    Operation(
                        ProcessID(rawValue: 40),
                        .access(.absolute(address: places[area], length: 1), .write)),
                    recorded: .value(0)))
        }
        let bytes = recording.traceBytes()
        #expect(bytes.count <= recording.steps.count * 8, "\(bytes.count)")
        #expect(try Recording(traceBytes: bytes) == recording)
    }

    @Test func `a torn file is refused, and gives what came before the tear`() throws {
        var source = RandomRecording(random: SeededRandom(seed: 3))
        let recording = source.recording(steps: 20_000)
        let bytes = recording.traceBytes()
        var recovered: [Int] = []
        for length in stride(from: 16, to: bytes.count, by: 16_001) {
            let torn = Array(bytes[..<length])
            let error = try #require(Self.error(reading: torn))
            #expect(error.kind == .torn)
            #expect(error.offset <= length)
            let (part, damage) = try Recording.recovering(traceBytes: torn)
            #expect(damage == error)
            #expect(part.steps[...] == recording.steps.prefix(part.steps.count))
            recovered.append(part.steps.count)
        }
        #expect(recovered == recovered.sorted())
        #expect(recovered.last ?? 0 > 10_000)
    }

    @Test func `a damaged byte anywhere is noticed`() throws {
        var source = RandomRecording(random: SeededRandom(seed: 4))
        let bytes = source.recording(steps: 200).traceBytes()
        for place in bytes.indices {
            var damaged = bytes
            damaged[place] ^= 0x10
            let error = try #require(Self.error(reading: damaged))
            #expect(error.offset <= place)
        }
    }

    @Test func `bytes after the end are noticed`() throws {
        let bytes = Recording(command: "", source: "").traceBytes()
        let error = try #require(Self.error(reading: bytes + [0]))
        #expect(error.offset == bytes.count)
    }

    @Test func `a newer version is refused by its number`() throws {
        var bytes = Recording(command: "", source: "").traceBytes()
        bytes[8] = 2
        bytes.replaceSubrange(
            12..<16, with: TraceFormat.littleEndian(CRC32C.checksum(bytes[..<12])))
        #expect(Self.error(reading: bytes)?.kind == .version(2))
    }

    @Test func `text is no trace`() {
        #expect(Self.error(reading: Array("process db\n".utf8))?.kind == .notATrace)
        #expect(Self.error(reading: [])?.kind == .notATrace)
    }

    @Test func `no bytes make the reader trap`() {
        var random = SeededRandom.fromEnvironment()
        var source = RandomRecording(random: random)
        for _ in 0..<400 {
            // Checksums are made right again, so that what lies behind them is reached.
            var file = Self.blocks(of: source.recording(steps: 40).traceBytes())
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let block = Int.random(in: 0..<file.count, using: &random)
                let place = Int.random(in: 0..<file[block].count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: file[block][place] = UInt8.random(in: 0...255, using: &random)
                case 1: file[block][place] = 0xFF
                case 2 where file[block].count > 1: file[block].remove(at: place)
                default:
                    file[block].insert(UInt8.random(in: 0...255, using: &random), at: place)
                }
            }
            var bytes = Array(Recording(command: "", source: "").traceBytes()[..<16])
            for block in file {
                let head = [block[0]] + TraceFormat.littleEndian(UInt32(block.count - 1))
                let checksum = CRC32C.checksum(head + block.dropFirst())
                bytes += head + TraceFormat.littleEndian(checksum) + block.dropFirst()
            }
            if let error = Self.error(reading: bytes) { #expect(error.offset <= bytes.count) }
        }
    }

    /// The blocks of a trace: the kind and the contents of each.
    private static func blocks(of bytes: [UInt8]) -> [[UInt8]] {
        var blocks: [[UInt8]] = []
        var position = 16
        while position < bytes.count {
            let length = Int(
                TraceFormat.number(bytes[position + 1..<position + 5], as: UInt32.self))
            blocks.append([bytes[position]] + bytes[position + 9..<position + 9 + length])
            position += 9 + length
        }
        return blocks
    }
}
