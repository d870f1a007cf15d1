// Command pause holds the namespaces of a pod. It is the first process there, so it also buries
// the processes whose parents are gone, and it ends at once when asked to.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	arrivals := make(chan os.Signal, 16)
	signal.Notify(arrivals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for arrived := range arrivals {
		if arrived != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

// reap collects every child that has ended: one signal may stand for several of them.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}
