// Package wire is the contract between the planes: the protobuf messages of wire.proto and the rules that both sides must compute
// alike (content hash, signatures, key hash, budget periods, sealed credentials).
// It refuses to import any room of either plane.
package wire
