// Command vminit is the first process of a test machine: it mounts what every
// program expects, loads the image's kernel modules, runs the image's start
// script, and then only collects the dead while a second process of the same
// program carries out orders (package agent).
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/qemu/agent"
)

const (
	modules     = "/etc/vm/modules"
	startScript = "/etc/vm/start"
	// orders is the argument that makes this program the agent.
	orders = "orders"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == orders {
		serve(strings.Join(os.Args[2:], " "))
		return
	}
	// What fails here is told by the agent: nobody reads the console.
	trouble := ""
	if err := prepare(); err != nil {
		trouble = err.Error()
		fmt.Fprintln(os.Stderr, "vminit:", err)
	}
	self, err := os.StartProcess("/init", []string{"/init", orders, trouble}, &os.ProcAttr{
		Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "vminit: starting the agent:", err)
		_ = powerOff()
	}
	for {
		pid, err := unix.Wait4(-1, nil, 0, nil)
		if err == nil && pid == self.Pid {
			fmt.Fprintln(os.Stderr, "vminit: the agent ended: power off")
			_ = powerOff()
		}
	}
}

// serve carries out orders, or refuses to if the machine is not as it should.
func serve(trouble string) {
	port, err := openPort()
	if err == nil && trouble != "" {
		err = agent.Refuse(port, fmt.Errorf("%s", trouble))
	}
	if err == nil {
		server := agent.Server{PowerOff: powerOff}
		err = server.Serve(port)
	}
	fmt.Fprintln(os.Stderr, "vminit: agent:", err)
}

func powerOff() error {
	unix.Sync()
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// openPort finds the agent's virtio-serial port. It is opened for blocking
// reads, without the runtime's poller, and no program that is started has it.
func openPort() (*os.File, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		name, err := os.ReadFile(n)
		if err != nil || strings.TrimSpace(string(name)) != agent.PortName {
			continue
		}
		device := "/dev/" + filepath.Base(filepath.Dir(n))
		fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", device, err)
		}
		return os.NewFile(uintptr(fd), device), nil
	}
	return nil, fmt.Errorf("virtio-serial port %s: not among %v", agent.PortName, names)
}

func prepare() error {
	if err := mounts(); err != nil {
		return err
	}
	if err := loadModules(); err != nil {
		return err
	}
	host, address, announced, err := identity()
	if err != nil {
		return err
	}
	if err := nameDisks(announced); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(host)); err != nil {
		return fmt.Errorf("host name %q: %w", host, err)
	}
	if err := os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"); err != nil {
		return err
	}
	cmd := exec.Command("/bin/bash", startScript)
	cmd.Env = append(os.Environ(), "HOST="+host, "ADDRESS="+address)
	cmd.WaitDelay = time.Second // services may keep the script's output open
	if said, err := cmd.CombinedOutput(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return fmt.Errorf("start script: %w: %s", err, said)
	}
	return nil
}

// identity reads who this machine is, and which disks it has, from the kernel's
// command line.
func identity() (host, address string, disks []string, err error) {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return "", "", nil, err
	}
	for word := range strings.FieldsSeq(string(line)) {
		if v, ok := strings.CutPrefix(word, "pollux.host="); ok {
			host = v
		}
		if v, ok := strings.CutPrefix(word, "pollux.address="); ok {
			address = v
		}
		if v, ok := strings.CutPrefix(word, "pollux.disk="); ok {
			disks = append(disks, v)
		}
	}
	return host, address, disks, nil
}

func mounts() error {
	for _, m := range []struct {
		what, where string
		flags       uintptr
		data        string
	}{
		{"devtmpfs", "/dev", unix.MS_NOSUID, "mode=0755"},
		{"proc", "/proc", unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV, ""},
		{"sysfs", "/sys", unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV, ""},
		{"devpts", "/dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0620,ptmxmode=0666"},
		{"tmpfs", "/dev/shm", unix.MS_NOSUID | unix.MS_NODEV, ""},
	} {
		if err := os.MkdirAll(m.where, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.what, m.where, m.what, m.flags, m.data); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s on %s: %w", m.what, m.where, err)
		}
	}
	// Scripts of Xen stat these.
	for link, target := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "fd/0", "/dev/stdout": "fd/1", "/dev/stderr": "fd/2",
	} {
		if err := os.Symlink(target, link); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

// loadModules loads what the image lists. That hardware for one is missing is
// no trouble: images serve more than one kind of machine.
func loadModules() error {
	list, err := os.ReadFile(modules)
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(list)) {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("kernel module: %w", err)
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		_ = f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("kernel module %s: %w", name, err)
		}
	}
	return nil
}

// nameDisks links /dev/disk/NAME to each disk that QEMU gave a serial number,
// and waits for those that were announced: SCSI finds its disks in its own time.
func nameDisks(announced []string) error {
	if err := os.MkdirAll("/dev/disk", 0o755); err != nil {
		return err
	}
	limit := time.Now().Add(20 * time.Second)
	for {
		found, err := disks()
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(announced), func(name string) bool { return found[name] != "" })
		if len(missing) == 0 {
			for name, disk := range found {
				if err := os.Symlink("../"+disk, "/dev/disk/"+name); err != nil {
					return err
				}
			}
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("disks %v: have not come, only %v", missing, found)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// disks finds disks by serial number.
func disks() (map[string]string, error) {
	found := map[string]string{}
	for pattern, header := range map[string]int{"serial": 0, "device/vpd_pg80": 4} {
		files, err := filepath.Glob("/sys/block/*/" + pattern)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			serial, err := os.ReadFile(f)
			if err != nil || len(serial) <= header {
				continue // a disk that is not there yet, or has no serial number
			}
			if name := strings.TrimSpace(string(serial[header:])); name != "" {
				found[name] = strings.Split(f, "/")[3]
			}
		}
	}
	return found, nil
}
