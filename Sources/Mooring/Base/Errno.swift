// SPDX-License-Identifier: Apache-2.0

// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation, AlwaysUseLowerCamelCase
// The constants are spelled as the man pages spell them, because tests, traces and documentation
// quote those; what each means is errno(3)'s to say.

/// Why a system call failed, with Linux's numbers on every host.
///
/// A number that this table does not name can still be carried: a recording may hold one.
public struct Errno: Error, Hashable, Sendable, RawRepresentable {
    /// Linux's number, positive.
    public let rawValue: Int32

    /// Takes Linux's positive number.
    @inlinable
    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let EPERM = Errno(rawValue: 1)
    public static let ENOENT = Errno(rawValue: 2)
    public static let ESRCH = Errno(rawValue: 3)
    public static let EINTR = Errno(rawValue: 4)
    public static let EIO = Errno(rawValue: 5)
    public static let ENXIO = Errno(rawValue: 6)
    public static let E2BIG = Errno(rawValue: 7)
    public static let ENOEXEC = Errno(rawValue: 8)
    public static let EBADF = Errno(rawValue: 9)
    public static let ECHILD = Errno(rawValue: 10)
    public static let EAGAIN = Errno(rawValue: 11)
    public static let ENOMEM = Errno(rawValue: 12)
    public static let EACCES = Errno(rawValue: 13)
    public static let EFAULT = Errno(rawValue: 14)
    public static let EBUSY = Errno(rawValue: 16)
    public static let EEXIST = Errno(rawValue: 17)
    public static let ENODEV = Errno(rawValue: 19)
    public static let ENOTDIR = Errno(rawValue: 20)
    public static let EISDIR = Errno(rawValue: 21)
    public static let EINVAL = Errno(rawValue: 22)
    public static let ENFILE = Errno(rawValue: 23)
    public static let EMFILE = Errno(rawValue: 24)
    public static let ETXTBSY = Errno(rawValue: 26)
    public static let EFBIG = Errno(rawValue: 27)
    public static let ENOSPC = Errno(rawValue: 28)
    public static let ERANGE = Errno(rawValue: 34)
    public static let ENOSYS = Errno(rawValue: 38)
    public static let EIDRM = Errno(rawValue: 43)
    public static let EOVERFLOW = Errno(rawValue: 75)
    public static let EOPNOTSUPP = Errno(rawValue: 95)
    public static let EHWPOISON = Errno(rawValue: 133)
}

extension Errno: CustomStringConvertible {
    /// The numbers this table names, for text in both directions.
    private static let names: [(Errno, String)] = [
        (.EPERM, "EPERM"), (.ENOENT, "ENOENT"), (.ESRCH, "ESRCH"), (.EINTR, "EINTR"),
        (.EIO, "EIO"), (.ENXIO, "ENXIO"), (.E2BIG, "E2BIG"), (.ENOEXEC, "ENOEXEC"),
        (.EBADF, "EBADF"), (.ECHILD, "ECHILD"), (.EAGAIN, "EAGAIN"), (.ENOMEM, "ENOMEM"),
        (.EACCES, "EACCES"), (.EFAULT, "EFAULT"), (.EBUSY, "EBUSY"), (.EEXIST, "EEXIST"),
        (.ENODEV, "ENODEV"), (.ENOTDIR, "ENOTDIR"), (.EISDIR, "EISDIR"), (.EINVAL, "EINVAL"),
        (.ENFILE, "ENFILE"), (.EMFILE, "EMFILE"), (.ETXTBSY, "ETXTBSY"), (.EFBIG, "EFBIG"),
        (.ENOSPC, "ENOSPC"), (.ERANGE, "ERANGE"), (.ENOSYS, "ENOSYS"), (.EIDRM, "EIDRM"),
        (.EOVERFLOW, "EOVERFLOW"), (.EOPNOTSUPP, "EOPNOTSUPP"), (.EHWPOISON, "EHWPOISON"),
    ]

    /// The name the man pages use, or `errno 123` where this table has none.
    public var description: String {
        Errno.names.first { $0.0 == self }?.1 ?? "errno \(rawValue)"
    }

    /// The error the man pages call `name`, or `nil` for a word that is none.
    public init?(named name: some StringProtocol) {
        guard let known = Errno.names.first(where: { $0.1 == name }) else { return nil }
        self = known.0
    }
}
