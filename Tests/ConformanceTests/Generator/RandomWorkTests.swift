// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing
import Workloads

@testable import Conformance

@Suite struct RandomWorkTests {
    @Test func `fills the file on a disk before it is mapped, and a part that does not is told`() {
        var random = SeededRandom.fromEnvironment(otherwise: 3)
        var work = RandomWork(calls: [.mmap]) { _, _ in false }
        let ground = work.next(seeing: [:], Coverage(), using: &random)
        let process = ground[ground.count - 1].process
        let mapping = Operation(
            process,
            .mmap(
                address: .absolute(0), length: pageSize, protection: .read, flags: .private,
                file: WorkFiles.disk, offset: 0))
        #expect(RandomWork.isGrounded(ground + [mapping]))
        #expect(!RandomWork.isGrounded(ground.dropLast() + [mapping]))
        #expect(!RandomWork.isGrounded([mapping] + ground))
        // Who fills it has to live.
        let orphan = ground.filter { if case .spawn = $0.call { false } else { true } }
        #expect(!RandomWork.isGrounded(orphan + [mapping]))
        #expect(RandomWork.isGrounded([]))
    }
}
