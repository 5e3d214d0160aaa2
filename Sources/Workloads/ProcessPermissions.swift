// SPDX-License-Identifier: Apache-2.0

import Mooring

/// What a host lets processes have and do that a machine of the engine allows all.
package struct ProcessPermissions: Hashable, Sendable {
    /// Whether they may hold CAP_IPC_LOCK.
    package var lockPrivilege = true
    /// Whether they may hold the other privileges that calls ask for: CAP_IPC_OWNER, CAP_SYS_RAWIO,
    /// CAP_SYS_ADMIN and CAP_SYS_NICE.
    package var administrator = true
    /// Whether they may raise hard limits: CAP_SYS_RESOURCE.
    package var higherLimits = true
    /// The hard limits that they begin with, in bytes, `UInt64.max` for none; a resource that is
    /// not here begins as on a machine of the engine.
    package var hardLimits: [Resource: UInt64] = [:]

    package init() {}

    /// What a host does not give, by the privileges' names.
    package var missing: [String] {
        (lockPrivilege ? [] : ["CAP_IPC_LOCK"])
            + (administrator
                ? [] : ["CAP_IPC_OWNER", "CAP_SYS_RAWIO", "CAP_SYS_ADMIN", "CAP_SYS_NICE"])
            + (higherLimits ? [] : ["CAP_SYS_RESOURCE (raising hard limits)"])
    }
}
