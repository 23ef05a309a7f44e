package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
)

// A Streamer runs a program that goes on, and gives each line of what it
// prints to f, until ctx ends, which is no error, or the program does.
type Streamer func(ctx context.Context, p Program, f func(line string)) error

// maxLine is how long a line may be, in bytes.
const maxLine = 64 << 10

// Lines is the Streamer that really starts programs. The program's Limit does
// not count.
func Lines(ctx context.Context, p Program, f func(line string)) error {
	cmd := exec.Command(p.Name, p.Args...) // its whole group is killed: see Exec
	cmd.Env = environment(p.Env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := newTail(0)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	cmd.Stderr = stderr.w
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		stderr.abandon()
		return fmt.Errorf("%s: %w", p, err)
	}
	stderr.follow()
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	lines := bufio.NewScanner(stdout)
	lines.Buffer(make([]byte, 4096), maxLine)
	for lines.Scan() {
		f(lines.Text())
	}
	// A line that is too long ends the program: what follows would be misread.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	err = errors.Join(lines.Err(), cmd.Wait())
	stderr.wait(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = errors.New("it ended")
	}
	return fmt.Errorf("%s: %w: %s", p, err, cause(Result{Stderr: stderr.bytes()}))
}
