// Asks Core ML where it would run each operation of a package, and times loads and predictions.
// Prints JSON for `eyecli check-ane --measured FILE`.
//
// On a Mac (macOS 14.4 or later):
//   swiftc -O -parse-as-library measure.swift -o measure && ./measure model.mlpackage > measured.json
// On an iPhone or iPad (iOS 17.4 or later): add this file to an app, the package as a
// folder reference, and call `try await measure(package:)`.

import CoreML
import CryptoKit
import Foundation

struct Operation: Encodable {
    let output: String, device: String, function: String, part: String, `operator`: String
    let cost: Double?
}

struct Measured: Encodable {
    let device: String, os: String, files: [String: String], operations: [Operation]
    let load_seconds: [Double], predict_seconds: [Double]
}

@available(macOS 14.4, iOS 17.4, *)
func measure(package: URL, loads: Int = 3, predictions: Int = 50) async throws -> Data {
    let compiled = try await MLModel.compileModel(at: package)
    let configuration = MLModelConfiguration()
    configuration.computeUnits = .all
    let plan = try await MLComputePlan.load(contentsOf: compiled, configuration: configuration)
    var loaded: [Double] = [], predicted: [Double] = []
    var model: MLModel?
    for _ in 0..<loads {
        loaded.append(try await seconds {
            model = try await MLModel.load(contentsOf: compiled, configuration: configuration)
        })
    }
    if let model, let input = try? zeros(model.modelDescription) {
        for _ in 0..<predictions {
            predicted.append(try await seconds { _ = try await model.prediction(from: input) })
        }
    }
    let result = Measured(
        device: hardware(), os: system(), files: try hashes(package),
        operations: operations(plan, plan.modelStructure, ""),
        load_seconds: loaded, predict_seconds: predicted)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return try encoder.encode(result)
}

@available(macOS 14.4, iOS 17.4, *)
func operations(_ plan: MLComputePlan, _ structure: MLModelStructure, _ part: String) -> [Operation] {
    switch structure {
    case .pipeline(let pipeline):
        return pipeline.subModels.enumerated().flatMap { operations(plan, $1, String($0)) }
    case .program(let program):
        return program.functions.flatMap { name, function in
            walk(function.block).compactMap { operation -> Operation? in
                guard let usage = plan.deviceUsage(for: operation),
                      let output = operation.outputs.first else { return nil }
                return Operation(
                    output: output.name, device: label(usage.preferred), function: name, part: part,
                    operator: operation.operatorName,
                    cost: plan.estimatedCost(of: operation)?.weight)
            }
        }
    default:
        return []
    }
}

@available(macOS 14.4, iOS 17.4, *)
func walk(_ block: MLModelStructure.Program.Block) -> [MLModelStructure.Program.Operation] {
    block.operations.flatMap { [$0] + $0.blocks.flatMap(walk) }
}

@available(macOS 14.4, iOS 17.4, *)
func label(_ device: MLComputeDevice) -> String {
    switch device {
    case .neuralEngine: return "neural engine"
    case .gpu: return "gpu"
    default: return "cpu"
    }
}

func seconds(_ work: () async throws -> Void) async rethrows -> Double {
    let start = DispatchTime.now().uptimeNanoseconds
    try await work()
    return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
}

/// Arrays and images of zeros, as the model wants them.
func zeros(_ description: MLModelDescription) throws -> MLFeatureProvider {
    var values: [String: MLFeatureValue] = [:]
    for (name, feature) in description.inputDescriptionsByName {
        if let array = feature.multiArrayConstraint {
            let zero = try MLMultiArray(shape: array.shape, dataType: array.dataType)
            memset(zero.dataPointer, 0, zero.count * (array.dataType.rawValue & 0xff) / 8)
            values[name] = MLFeatureValue(multiArray: zero)
        } else if let image = feature.imageConstraint {
            var buffer: CVPixelBuffer?
            CVPixelBufferCreate(nil, image.pixelsWide, image.pixelsHigh, image.pixelFormatType,
                                nil, &buffer)
            values[name] = MLFeatureValue(pixelBuffer: buffer!)
        }
    }
    return try MLDictionaryFeatureProvider(dictionary: values)
}

func hashes(_ package: URL) throws -> [String: String] {
    let root = package.resolvingSymlinksInPath().path + "/"
    let files = FileManager.default.enumerator(at: package, includingPropertiesForKeys: [.isRegularFileKey])!
    var found: [String: String] = [:]
    for case let file as URL in files
    where try file.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true {
        let name = String(file.resolvingSymlinksInPath().path.dropFirst(root.count))
        found[name] = SHA256.hash(data: try Data(contentsOf: file))
            .map { String(format: "%02x", $0) }.joined()
    }
    return found
}

func hardware() -> String {
    #if os(macOS)
    let key = "hw.model"
    #else
    let key = "hw.machine"
    #endif
    var size = 0
    sysctlbyname(key, nil, &size, nil, 0)
    var bytes = [CChar](repeating: 0, count: size)
    sysctlbyname(key, &bytes, &size, nil, 0)
    return String(cString: bytes)
}

func system() -> String {
    let version = ProcessInfo.processInfo.operatingSystemVersion
    #if os(macOS)
    let name = "macOS"
    #else
    let name = "iOS"
    #endif
    return "\(name) \(version.majorVersion).\(version.minorVersion).\(version.patchVersion)"
}

#if os(macOS)
@main
struct Main {
    static func main() async throws {
        guard #available(macOS 14.4, *), CommandLine.arguments.count == 2 else {
            FileHandle.standardError.write(Data("usage: measure MODEL.mlpackage (macOS 14.4)\n".utf8))
            exit(2)
        }
        let package = URL(fileURLWithPath: CommandLine.arguments[1])
        FileHandle.standardOutput.write(try await measure(package: package))
    }
}
#endif
