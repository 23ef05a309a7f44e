package machine

import (
	"path/filepath"

	"github.com/optionc/pollux/qemu/block"
)

// Plug gives a machine that is not running a disk of that many bytes, by its
// name in the machine. Its socket is in dir, and it ends with the test.
func (c *Config) Plug(test Test, dir, name string, size int64) (*block.Disk, error) {
	disk := block.New(size)
	socket := filepath.Join(dir, name+"-"+c.Name)
	if err := disk.Serve(socket); err != nil {
		return nil, err
	}
	test.Cleanup(func() { _ = disk.Close() })
	c.Disks = append(c.Disks, Disk{Name: name, Socket: socket})
	return disk, nil
}
