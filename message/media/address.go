package media

import "net/netip"

// reserved lists the networks that are not public and that the methods of [netip.Addr] do not
// report: IANA's special-purpose registries, networks that embed IPv4 addresses, and public addresses
// that a cloud takes for itself.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // This network.
	netip.MustParsePrefix("100.64.0.0/10"),    // Carrier-grade NAT.
	netip.MustParsePrefix("168.63.129.16/32"), // Services of Azure.
	netip.MustParsePrefix("192.0.0.0/24"),     // IETF protocols.
	netip.MustParsePrefix("192.0.2.0/24"),     // Documentation.
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays.
	netip.MustParsePrefix("198.18.0.0/15"),    // Benchmarks.
	netip.MustParsePrefix("198.51.100.0/24"),  // Documentation.
	netip.MustParsePrefix("203.0.113.0/24"),   // Documentation.
	netip.MustParsePrefix("240.0.0.0/4"),      // Reserved, broadcast.
	netip.MustParsePrefix("::/96"),            // IPv4-compatible.
	netip.MustParsePrefix("::ffff:0:0:0/96"),  // IPv4-translated.
	netip.MustParsePrefix("64:ff9b:1::/48"),   // Local NAT64.
	netip.MustParsePrefix("100::/64"),         // Discard.
	netip.MustParsePrefix("100:0:0:1::/64"),   // Dummy.
	netip.MustParsePrefix("2001::/23"),        // IETF protocols. Teredo embeds IPv4.
	netip.MustParsePrefix("2001:db8::/32"),    // Documentation.
	netip.MustParsePrefix("2002::/16"),        // 6to4 embeds IPv4.
	netip.MustParsePrefix("3fff::/20"),        // Documentation.
	netip.MustParsePrefix("5f00::/16"),        // Segment routing.
	netip.MustParsePrefix("fec0::/10"),        // Site-local.
}

// nat64 is the prefix of IPv4 addresses in networks without IPv4.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// isPublic reports whether an address belongs to the public Internet.
func isPublic(a netip.AddrPort) bool {
	ip := a.Addr().Unmap().WithZone("")
	if nat64.Contains(ip) {
		bytes := ip.As16()
		ip = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() { // Loopback, link-local and multicast are not global.
		return false
	}
	for _, network := range reserved {
		if network.Contains(ip) {
			return false
		}
	}
	return true
}
