package peerlink_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestPeerlink(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "peerlink")
}
