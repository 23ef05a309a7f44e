package resync_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestResync(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "resync")
}
