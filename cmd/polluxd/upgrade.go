package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/node"
)

// inheritance names the open sockets that a program passes to the one that
// replaces it: RESOURCE=DESCRIPTOR, separated by blanks.
const inheritance = "POLLUX_SOCKETS"

// inherited takes what the program before this one passed on.
func inherited() map[string]*os.File {
	text := os.Getenv(inheritance)
	_ = os.Unsetenv(inheritance) // it would pass to every script
	sockets := map[string]*os.File{}
	for word := range strings.FieldsSeq(text) {
		at := strings.LastIndexByte(word, '=')
		fd, err := strconv.Atoi(word[at+1:])
		if at < 0 || err != nil {
			continue // then the device is recovered as after a crash
		}
		unix.CloseOnExec(fd)
		sockets[word[:at]] = os.NewFile(uintptr(fd), "the device of "+word[:at])
	}
	return sockets
}

// upgradable ends the context by node.ErrUpgrade on SIGUSR2.
func upgradable(ctx context.Context, n *node.Node, log *slog.Logger) (context.Context, func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for {
			select {
			case <-signals:
			case <-ctx.Done():
				return
			}
			if err := n.MayUpgrade(); err != nil {
				log.Error("the program is not replaced", "cause", err)
				continue
			}
			log.Info("the program is replaced")
			cancel(node.ErrUpgrade)
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}

// replaceProgram makes this process run the program that is installed now, with
// the same arguments. It returns only if that fails.
func replaceProgram(sockets map[string]*os.File) error {
	program, err := os.Executable() // also after the file was replaced
	if err != nil {
		return fmt.Errorf("replace the program: %w", err)
	}
	var words []string
	for resource, socket := range sockets {
		fd := socket.Fd()
		if _, err := unix.FcntlInt(fd, unix.F_SETFD, 0); err != nil {
			continue // then the device is recovered as after a crash
		}
		words = append(words, fmt.Sprintf("%s=%d", resource, fd))
	}
	env := append(os.Environ(), inheritance+"="+strings.Join(words, " "))
	return fmt.Errorf("replace the program by %s: %w", program, syscall.Exec(program, os.Args, env))
}
