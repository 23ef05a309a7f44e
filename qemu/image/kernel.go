package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/optionc/pollux/qemu/debian"
)

// Offsets in a bzImage. Source: Linux, Documentation/x86/boot, "The Real-Mode
// Kernel Header".
const (
	setupSectors  = 0x1f1
	headerMagic   = 0x202 // "HdrS"
	payloadOffset = 0x248
	payloadLength = 0x24c
)

// readKernel is the kernel of a quarry as an ELF file. An emulated processor
// would need seconds to unpack the bzImage that Debian ships.
func readKernel(q debian.Quarry) ([]byte, error) {
	found, err := filepath.Glob(filepath.Join(q.Dir, "boot/vmlinuz-*"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("kernel in %s: %d files, want 1", q.Dir, len(found))
	}
	image, err := os.ReadFile(found[0])
	if err != nil {
		return nil, err
	}
	if len(image) < payloadLength+4 || string(image[headerMagic:headerMagic+4]) != "HdrS" {
		return nil, fmt.Errorf("kernel %s: is not a bzImage", found[0])
	}
	start := (int(image[setupSectors])+1)*512 + int(binary.LittleEndian.Uint32(image[payloadOffset:]))
	end := start + int(binary.LittleEndian.Uint32(image[payloadLength:]))
	if start > end || end > len(image) {
		return nil, fmt.Errorf("kernel %s: payload %d to %d of %d bytes", found[0], start, end, len(image))
	}
	vmlinux, err := unpack(image[start:end])
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", found[0], err)
	}
	if !bytes.HasPrefix(vmlinux, []byte("\x7fELF")) {
		return nil, fmt.Errorf("kernel %s: what is packed in it is not ELF", found[0])
	}
	return vmlinux, nil
}

// unpack undoes one of the compressions that Debian's kernels use. The size
// that follows the packed kernel is no part of it.
func unpack(packed []byte) ([]byte, error) {
	var cmd *exec.Cmd
	switch {
	case bytes.HasPrefix(packed, []byte("\xfd7zXZ\x00")):
		cmd = exec.Command("xz", "--decompress", "--stdout", "--single-stream")
	case bytes.HasPrefix(packed, []byte("\x28\xb5\x2f\xfd")):
		cmd = exec.Command("zstd", "--decompress", "--stdout", "--quiet")
		packed = packed[:len(packed)-4]
	case bytes.HasPrefix(packed, []byte("\x02\x21\x4c\x18")):
		cmd = exec.Command("lz4", "-d", "-c", "-q")
		packed = packed[:len(packed)-4]
	case bytes.HasPrefix(packed, []byte("\x1f\x8b")):
		cmd = exec.Command("gzip", "--decompress", "--stdout")
	default:
		return nil, fmt.Errorf("packed with an unknown compression: % x", packed[:min(8, len(packed))])
	}
	cmd.Stdin = bytes.NewReader(packed)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", cmd.Path, err, stderr.String())
	}
	return out, nil
}

// readHypervisor is Xen itself, as an ELF file.
func readHypervisor(q debian.Quarry) ([]byte, error) {
	found, err := filepath.Glob(filepath.Join(q.Dir, "boot/xen-*.gz"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("hypervisor in %s: %w", q.Dir, errors.Join(err, fmt.Errorf("%d files, want 1", len(found))))
	}
	packed, err := os.ReadFile(found[0])
	if err != nil {
		return nil, err
	}
	return unpack(packed)
}
