// Command first is the first process of a cell (package qemu/cell): it gives the
// namespaces that it is started in folders, a card and a disk of their own, and
// then carries out the orders of package agent, which come on descriptor 3.
//
//	first NAME ADDRESS/BITS CABLE MAC DISK
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

func main() {
	port := os.NewFile(3, "agent")
	unix.CloseOnExec(3)
	err := prepare(os.Args[1:])
	if err != nil {
		err = errors.Join(err, agent.Refuse(port, err))
	} else {
		server := agent.Server{PowerOff: func() error { os.Exit(0); return nil }}
		err = server.Serve(port)
	}
	fmt.Fprintln(os.Stderr, "first:", err)
	os.Exit(1)
}

func prepare(args []string) error {
	if len(args) != 5 {
		return errors.New("want NAME ADDRESS/BITS CABLE MAC DISK")
	}
	name, address, cable, mac, disk := args[0], args[1], args[2], args[3], args[4]
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("host name %q: %w", name, err)
	}
	if err := mounts(); err != nil {
		return err
	}
	if err := plugIn(cable, mac, address); err != nil {
		return fmt.Errorf("network card: %w", err)
	}
	if err := mountDisk(disk); err != nil {
		return fmt.Errorf("disk: %w", err)
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
