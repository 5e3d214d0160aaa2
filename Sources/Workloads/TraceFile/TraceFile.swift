// SPDX-License-Identifier: Apache-2.0
//
// The file that a recording is kept in. All numbers of fixed size are little-endian; the others
// are varints: seven bits a byte, the lowest first, the top bit set in all but the last.
//
//   offset 0    8 bytes   89 4D 4F 4F 52 0D 0A 1A ("MOOR"; a transfer as text would break it)
//          8    UInt16    version, 1
//         10    UInt16    0
//         12    UInt32    CRC-32C of the 12 bytes before
//         16              blocks, to the end of the file
//
//   block  0    UInt8     kind
//          1    UInt32    length of the contents
//          5    UInt32    CRC-32C of kind, length and contents
//          9              contents
//
//   kind 1  head        text: the command; text: the source. The first block, once.
//        2  steps       varint: how many; the steps, as StepCoding.swift says
//        3  processes   varint: how many; each: signed: its number; varint: its image; text: its
//                       name; UInt8: 1 if the peak is known, plus 2 if the last figures are;
//                       varint: the peak; three varints: anonymous, file, shared memory
//        4  end         varint: steps in the file; varint: processes in it. The last block, once.
//        5-127          refused: a newer version's, and needed to understand the rest
//      128-255          skipped: a newer version's, and not needed
//
// A signed number is a varint of (n << 1) ^ (n >> 63). A text is a varint n: text number n of the
// file, from 1; or 0, then its length as a varint, then its UTF-8, which becomes the next number.
//
// What steps and texts refer back to runs on from block to block, so a file is read from its
// beginning, and what stands before a damaged block is readable.

import Mooring

/// Names of the parts of the format.
enum TraceFormat {
    static let magic: [UInt8] = [0x89, 0x4D, 0x4F, 0x4F, 0x52, 0x0D, 0x0A, 0x1A]
    static let version: UInt16 = 1
    static let headerLength = 16
    static let blockHeaderLength = 9

    enum Block: UInt8 {
        case head = 1
        case steps, processes, end
    }

    static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    static func number<Number: FixedWidthInteger>(
        _ bytes: ArraySlice<UInt8>, as type: Number.Type
    ) -> Number {
        bytes.reversed().reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }
}

/// Why a trace file was refused.
package struct TraceFileError: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// The file does not begin as a trace does.
        case notATrace
        /// A version this reader does not know.
        case version(UInt16)
        /// The file ends before its end mark.
        case torn
        /// A checksum does not fit its bytes.
        case corrupt
        /// The checksum fits, but what it covers means nothing.
        case malformed
    }

    package var kind: Kind
    /// Where in the file the part begins that cannot be read.
    package var offset: Int
    /// What is wrong.
    package var message: String
    /// What to do about it.
    package var remedy: String
}

extension TraceFileError: CustomStringConvertible {
    package var description: String { "at byte \(offset): \(message)\n\(remedy)" }
}

/// Writes a trace while it is being recorded.
///
/// Bytes come out in whole blocks: ``takeBytes()`` gives those that are ready to be written, and
/// ``finish()`` the rest.
package struct TraceWriter {
    /// How many bytes of steps make a block: small enough that a tear costs little.
    ///
    /// A tear costs the block that it is in; a block costs 9 bytes and its own state.
    private static let blockLength = 4 << 10

    private var ready: [UInt8]
    private var steps = StepWriter()
    private var stepsInBlock: UInt64 = 0
    private var stepsWritten: UInt64 = 0
    private var processes: [RecordedProcess] = []

    package init(command: String, source: String) {
        ready = TraceFormat.magic
        ready += TraceFormat.littleEndian(TraceFormat.version) + [0, 0]
        ready += TraceFormat.littleEndian(CRC32C.checksum(ready))
        steps.out.write(command)
        steps.out.write(source)
        close(.head)
    }

    package mutating func append(_ step: Step) {
        steps.write(step)
        stepsInBlock += 1
        stepsWritten += 1
        if steps.out.bytes.count >= Self.blockLength { closeSteps() }
    }

    package mutating func append(_ process: RecordedProcess) { processes.append(process) }

    /// The blocks that are complete and have not been taken.
    package mutating func takeBytes() -> [UInt8] {
        defer { ready.removeAll() }
        return ready
    }

    /// Ends the file; what has not been taken yet.
    package mutating func finish() -> [UInt8] {
        closeSteps()
        if !processes.isEmpty {
            steps.out.write(UInt64(processes.count))
            for process in processes {
                steps.out.write(signed: Int64(process.process.rawValue))
                steps.out.write(UInt64(process.image))
                steps.out.write(process.name)
                steps.out.write(
                    byte: (process.peakResident == nil ? 0 : 1)
                        + (process.lastResident == nil ? 0 : 2))
                if let peak = process.peakResident { steps.out.write(peak) }
                if let last = process.lastResident {
                    steps.out.write(last.anonymous)
                    steps.out.write(last.file)
                    steps.out.write(last.sharedMemory)
                }
            }
            close(.processes)
        }
        steps.out.write(stepsWritten)
        steps.out.write(UInt64(processes.count))
        close(.end)
        return takeBytes()
    }

    private mutating func closeSteps() {
        guard stepsInBlock > 0 else { return }
        close(.steps, count: stepsInBlock)
        stepsInBlock = 0
    }

    /// Makes a block of what has been written since the last.
    private mutating func close(_ kind: TraceFormat.Block, count: UInt64? = nil) {
        var contents = ByteWriter()
        if let count { contents.write(count) }
        contents.write(raw: steps.out.takeBytes())
        let head = [kind.rawValue] + TraceFormat.littleEndian(UInt32(contents.bytes.count))
        let checksum = CRC32C.checksum(contents.bytes, after: CRC32C.checksum(head))
        ready += head + TraceFormat.littleEndian(checksum) + contents.bytes
    }
}
