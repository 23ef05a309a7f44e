// Command first is the first process of a cell (package qemu/cell): it gives the
// namespaces that it is started in folders, a card and a disk of their own, and
// then carries out the orders of package agent, which come on descriptor 3.
//
//	first NAME ADDRESS/BITS CABLE MAC DISK ROOT KEEP
//
// In a cell with a root of its own there are daemons that leave their parents.
// So the first process only collects the dead there, while a second one of the
// same program carries out the orders.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/qemu/agent"
	"github.com/optionc/pollux/qemu/cell"
)

// orders is the one argument of the second process.
const orders = "orders"

func main() {
	port := os.NewFile(3, "agent")
	unix.CloseOnExec(3)
	var err error
	if len(os.Args) != 2 || os.Args[1] != orders {
		err = prepare(os.Args[1:])
	}
	switch {
	case err != nil:
		err = errors.Join(err, agent.Refuse(port, err))
	case len(os.Args) == 8 && os.Args[6] != "":
		err = collect(port)
	default:
		server := agent.Server{PowerOff: func() error { os.Exit(0); return nil }}
		err = server.Serve(port)
	}
	fmt.Fprintln(os.Stderr, "first:", err)
	os.Exit(1)
}

// collect waits for everything that ends, until the process that carries out
// orders does.
func collect(port *os.File) error {
	self, err := os.StartProcess(cell.ProgramsDir+"/"+cell.First, []string{cell.First, orders}, &os.ProcAttr{
		Env: os.Environ(), Files: []*os.File{nil, os.Stderr, os.Stderr, port},
	})
	if err != nil {
		return errors.Join(err, agent.Refuse(port, err))
	}
	for {
		pid, err := unix.Wait4(-1, nil, 0, nil)
		if err == nil && pid == self.Pid {
			return errors.New("the process for orders ended")
		}
	}
}

func prepare(args []string) error {
	if len(args) != 7 {
		return errors.New("want NAME ADDRESS/BITS CABLE MAC DISK ROOT KEEP")
	}
	name, address, cable, mac, disk, root, keep := args[0], args[1], args[2], args[3], args[4], args[5], args[6]
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("host name %q: %w", name, err)
	}
	if err := mounts(); err != nil {
		return err
	}
	if err := plugIn(cable, mac, address); err != nil {
		return fmt.Errorf("network card: %w", err)
	}
	if disk != "" {
		if err := mountDisk(disk); err != nil {
			return fmt.Errorf("disk: %w", err)
		}
	}
	if root != "" {
		if err := enter(root, keep); err != nil {
			return fmt.Errorf("root %s: %w", root, err)
		}
	}
	return nil
}

// mounts hides what this machine has where a test machine has its own.
func mounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	for where, what := range map[string]string{"/run": "tmpfs", "/var/lib": "tmpfs", "/etc": "tmpfs", "/proc": "proc"} {
		if err := unix.Mount(what, where, what, unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", what, where, err)
		}
	}
	return nil
}

// mountDisk makes the disk a file that can be read past the page cache, and
// waits until it is there.
func mountDisk(socket string) error {
	if err := os.MkdirAll(filepath.Dir(cell.DiskFile), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(cell.DiskFile, nil, 0o600); err != nil {
		return err
	}
	cmd := exec.Command("nbdfuse", cell.DiskFile, "nbd+unix:///?socket="+socket)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for limit := time.After(20 * time.Second); ; {
		if info, err := os.Stat(cell.DiskFile); err == nil && info.Size() > 0 {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("nbdfuse ended: %w", err)
		case <-limit:
			return errors.New("nbdfuse has not mounted it")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
