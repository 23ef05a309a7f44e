package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/driver/export/kernel"
)

// A Frontend says what makes the devices of the resources.
type Frontend string

// The front ends.
const (
	// FrontendAuto is FrontendKernel for a resource whose device is in /dev, if
	// root runs the daemon and the kernel has the driver; else FrontendSocket.
	FrontendAuto Frontend = "auto"
	// FrontendKernel makes block devices, of the names in drbd.conf.
	FrontendKernel Frontend = "kernel"
	// FrontendSocket serves NBD on NAME.nbd in the run directory.
	FrontendSocket Frontend = "nbd-socket"
)

// loadTime is how long the kernel's driver may take to load.
const loadTime = 20 * time.Second

// chooseFrontend settles what makes devices in /dev.
func (n *Node) chooseFrontend() error {
	switch n.options.Frontend {
	case "", FrontendSocket:
		n.options.Frontend = FrontendSocket
		return nil
	case FrontendAuto, FrontendKernel:
	default:
		return fmt.Errorf("front end %q: want %s, %s or %s",
			n.options.Frontend, FrontendAuto, FrontendKernel, FrontendSocket)
	}
	ctx, cancel := context.WithTimeout(n.ctx, loadTime)
	defer cancel()
	err := kernel.Available(ctx, command.Exec)
	switch {
	case err != nil && n.options.Frontend == FrontendKernel:
		return fmt.Errorf("front end %s: %w", FrontendKernel, err)
	case err != nil:
		n.log.Info("devices are served on sockets", "cause", err)
		n.options.Frontend = FrontendSocket
	}
	return nil
}

// makeFront makes the front end of one resource.
func (d *device) makeFront() {
	n, name, path := d.node, d.conf.Conf.Name, d.conf.Volume.Device
	inherited := n.options.Inherited[name]
	if n.options.Frontend == FrontendKernel || n.options.Frontend == FrontendAuto && strings.HasPrefix(path, "/dev/") {
		d.kernel = kernel.New(kernel.Config{
			Resource: name, Path: path, Index: d.conf.Volume.Minor, DeadTime: n.options.DeadTime,
			Pool: n.pool, Handler: d.request, Paused: n.takeTurn, Inherited: inherited, Log: n.log,
		})
		d.front, d.upgraded = d.kernel, inherited != nil
		return
	}
	if inherited != nil {
		_ = inherited.Close() // then the kernel notices that nobody serves the device
	}
	d.front = export.NewServer(export.Config{
		Socket: n.options.socketOf(name), Pool: n.pool, Handler: d.request, Paused: n.takeTurn, Log: n.log,
	})
}

// path is where users find the device.
func (d *device) path() string {
	switch {
	case d.kernel != nil:
		return d.kernel.Path()
	case d.foreign != nil:
		return d.conf.Volume.Device
	}
	return d.node.options.socketOf(d.conf.Conf.Name)
}
