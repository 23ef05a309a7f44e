package page_test

// traps are where the page's author was caught, or would be: an edit that sets
// one, and what `pollux check` says then.
var traps = []struct{ name, edit, says string }{
	{
		"a disk without metadata", "true",
		"MEND  resource r1: /dev/sda3 carries no metadata",
	},
	{
		"a disk that holds LVM's data", "trap 'dd if=/dev/zero of=/dev/sda3 bs=512 count=8 2>/dev/null' EXIT; " +
			`pvcreate --config 'devices{filter=["a|.*|"]}' -y /dev/sda3 >/dev/null`,
		"/dev/sda3 carries an LVM physical volume, which can be kept. The metadata need the last",
	},
	{
		"a group that is active on the disk below",
		"all='devices{filter=[\"a|.*|\"]}'; trap 'vgchange --config \"$all\" -an other >/dev/null; " +
			"dd if=/dev/zero of=/dev/sda3 bs=1M count=2 2>/dev/null' EXIT; pvcreate --config \"$all\" -y /dev/sda3 >/dev/null && " +
			"vgcreate --config \"$all\" other /dev/sda3 >/dev/null && lvcreate --config \"$all\" -y -l1 -n web1 other >/dev/null",
		"MEND  resource r1: volume group other is active on /dev/sda3 itself, below resource r1, and what is written there is not " +
			"replicated: web1.",
	},
	{
		"disks that differ in size", "true",
		"The device will have what the smaller one of both disks has: compare with milo2",
	},
	{
		"a status that only root gets", "true",
		"note  ha.cf: only root may ask polluxd for its status",
	},
	{
		"nobody who decides after a cut", "true",
		"neither a witness nor fencing is configured",
	},
	{
		"the interface below the bridge", "sed -i s/xen-br0/eth0/ ha.d/ha.cf",
		"MEND  ha.cf:5: interface eth0 is a port of the bridge xen-br0",
	},
	{
		"an interface that is not there", "sed -i s/xen-br0/xenbr0/ ha.d/ha.cf",
		"MEND  ha.cf:5: interface xenbr0 is not there",
	},
	{
		"LVM that sees the disk below", "sed -i /filter/d /etc/lvm/lvm.conf",
		"LVM also sees the physical volume on /dev/sda3",
	},
	{
		"LVM that hides the device", `sed -i 's/"a|.dev.drbd1|"/"r|.*|"/' /etc/lvm/lvm.conf`,
		"LVM does not see /dev/drbd1",
	},
	{
		"keys that all can read", "chmod 644 ha.d/authkeys",
		"authkeys",
	},
	{
		"a name that is not uname's", "sed -i s/milo1/Milo-1/ drbd.conf",
		"node names must be what uname -n says",
	},
	{
		"a name that does not resolve", "sed -i /milo2/d /etc/hosts",
		"node name milo2 does not resolve",
	},
	{
		"an address that disturbs Xen", "sed -i 's/ xenHA/ IPaddr::192.168.0.9 xenHA/' ha.d/haresources",
		"an address is not needed",
	},
	{
		"a resource of another name", "sed -i s/drbddisk::r1/drbddisk::r2/ ha.d/haresources",
		"want a resource of drbd.conf: drbddisk::r1",
	},
}
