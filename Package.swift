// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// Every target is held to the same bar: a warning is a defect.
let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

/// The engine is optimised in debug builds too: its checks (`#if DEBUG || Checks`) stay on, but a
/// test suite that faults millions of pages has to finish in minutes.
let engine: [SwiftSetting] =
    strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]

let package = Package(
    name: "Mooring",
    products: [
        .library(name: "Mooring", targets: ["Mooring"]),
        .library(name: "Explorer", targets: ["Explorer"]),
        .executable(name: "mooring", targets: ["MooringCLI"]),
    ],
    traits: [
        .trait(
            name: "Checks",
            description: "Lock-rank and invariant checks in release builds (always on in debug)."
        ),
        .trait(
            name: "Exploration",
            description: "What `mooring explore` needs of the engine (always on in debug).",
            enabledTraits: ["Checks"]
        ),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
    ],
    targets: [
        .target(name: "Mooring", swiftSettings: engine),
        .target(name: "Workloads", dependencies: ["Mooring"], swiftSettings: strict),
        .target(
            name: "CLinuxHost",
            cSettings: [.enableWarning("all"), .treatAllWarnings(as: .error)]
        ),
        .target(
            name: "LinuxHost",
            dependencies: ["Mooring", "Workloads", "CLinuxHost"],
            swiftSettings: strict
        ),
        .target(name: "Experiments", dependencies: ["Mooring"], swiftSettings: strict),
        .target(
            name: "Reports", dependencies: ["Mooring", "Workloads", "Experiments"],
            swiftSettings: strict),
        .target(
            name: "Benchmarks",
            dependencies: ["Mooring", "Workloads", "LinuxHost"],
            swiftSettings: strict
        ),
        .target(
            name: "Conformance", dependencies: ["Mooring", "Workloads", "CExplorer"],
            swiftSettings: engine),
        .target(name: "CExplorer"),
        .target(name: "Explorer", dependencies: ["CExplorer"], swiftSettings: engine),
        .target(
            name: "Races", dependencies: ["Mooring", "Explorer", "CExplorer"],
            swiftSettings: engine),
        .executableTarget(
            name: "MooringCLI",
            dependencies: [
                "Mooring", "Workloads", "LinuxHost", "Reports", "Experiments", "Benchmarks",
                "Conformance",
                "Explorer", "Races",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "TestSupport",
            dependencies: ["Mooring", "Workloads"],
            path: "Tests/TestSupport",
            swiftSettings: strict
        ),
        .testTarget(
            name: "MooringTests", dependencies: ["Mooring", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "WorkloadsTests",
            dependencies: ["Workloads", "TestSupport"],
            exclude: ["Fixtures"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "LinuxHostTests",
            dependencies: ["LinuxHost", "TestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ExperimentsTests", dependencies: ["Experiments"], swiftSettings: strict),
        .testTarget(
            name: "ReportsTests", dependencies: ["Reports", "Experiments", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "BenchmarksTests",
            dependencies: ["Benchmarks", "TestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "MooringCLITests",
            dependencies: [
                "MooringCLI", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict
        ),
        .testTarget(name: "ExplorerTests", dependencies: ["Explorer"], swiftSettings: engine),
        .testTarget(
            name: "RacesTests", dependencies: ["Races", "Explorer", "Mooring"],
            exclude: ["Failures"], swiftSettings: engine),
        .testTarget(
            name: "ConformanceTests",
            dependencies: ["Conformance", "Workloads", "LinuxHost", "Mooring", "TestSupport"],
            swiftSettings: strict
        ),
    ]
)
