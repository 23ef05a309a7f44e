package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/optionc/pollux/daemon/driver/command"
)

// Available tells why devices can't be made here; nil if they can. It loads
// the driver if need be.
func Available(ctx context.Context, run command.Runner) error {
	if os.Geteuid() != 0 {
		return errors.New("only root may make block devices")
	}
	if _, err := familyOf(familyName); err == nil {
		return nil
	}
	// The driver looks for partitions unless it is told not to. What lies on a
	// resource is the guests', or LVM's.
	_, err := run(ctx, command.Program{Name: "modprobe", Args: []string{"nbd", "max_part=0"}})
	if err != nil {
		return fmt.Errorf("load the driver nbd: %w", err)
	}
	_, err = familyOf(familyName)
	return err
}
