// SPDX-License-Identifier: Apache-2.0
//
// What the JSON text says of processes. What the keys mean is said once, at `JSONReport`.

import Mooring
import Workloads

struct JSONProcess: Encodable {
    var pid: Int32
    var name: String
    var parent: Int32?
    var firstStep: Int
    var lastStep: Int?
    var peak: JSONFigures
    var finalPeakResident: UInt64
    var recordedPeakResident: UInt64?
    var deviation: Double?
    var minorFaults: UInt64
    var majorFaults: UInt64
    var images: [JSONImage]

    init(_ process: ProcessSummary) {
        pid = process.process.rawValue
        name = process.name
        parent = process.parent?.rawValue
        firstStep = process.firstStep
        lastStep = process.lastStep
        peak = JSONFigures(process.peak)
        finalPeakResident = process.finalPeakResident
        recordedPeakResident = process.recordedPeakResident
        deviation = process.deviation
        minorFaults = process.minorFaults
        majorFaults = process.majorFaults
        images = process.images.map(JSONImage.init)
    }
}

struct JSONImage: Encodable {
    struct Resident: Encodable {
        var anonymous: UInt64
        var file: UInt64
        var sharedMemory: UInt64

        init(_ figures: ResidentFigures) {
            anonymous = figures.anonymous
            file = figures.file
            sharedMemory = figures.sharedMemory
        }
    }

    var image: Int
    var name: String
    var peakResident: UInt64
    var recordedPeakResident: UInt64?
    var deviation: Double?
    var lastResident: Resident
    var recordedLastResident: Resident?
    var cutShort: Bool

    init(_ image: ImageSummary) {
        self.image = image.image
        name = image.name
        peakResident = image.peakResident
        recordedPeakResident = image.recordedPeakResident
        deviation = image.deviation
        lastResident = Resident(image.lastResident)
        recordedLastResident = image.recordedLastResident.map(Resident.init)
        cutShort = image.isCutShort
    }
}

struct JSONLost: Encodable {
    var pid: Int32
    var name: String
    var signal: String?
    var call: String?
    var error: String?
    var step: Int
    var line: Int?
    var nanoseconds: UInt64
    var operation: String
    var held: JSONFigures?
    var freeMemory: UInt64?
    var expected: Bool
    var skippedSteps: Int

    init(_ lost: LostProcess) {
        pid = lost.process.rawValue
        name = lost.name
        switch lost.cause {
        case .killed(let signal): self.signal = signal.word
        case .failed(let call, let error):
            self.call = call.rawValue
            self.error = error.description
        }
        step = lost.step
        line = lost.line
        nanoseconds = lost.time
        operation = lost.operation
        held = lost.held.map(JSONFigures.init)
        freeMemory = lost.freeMemory
        expected = lost.wasExpected
        skippedSteps = lost.skippedSteps
    }
}
