//! TCP segments in IPv4 packets: as much of them as a router reads, and a reset.

const IP_HEADER: usize = 20;
const TCP_HEADER: usize = 20;
const PROTOCOL_TCP: u8 = 6;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// What a packet says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) from_port: u16,
    pub(crate) to_port: u16,
    /// The first segment of a connection's client.
    pub(crate) begins: bool,
    /// Bytes without headers.
    pub(crate) payload: usize,
    flags: u8,
    sequence: u32,
    acknowledged: u32,
}

impl Segment {
    /// `None` if the packet is no TCP in IPv4.
    pub(crate) fn of(packet: &[u8]) -> Option<Self> {
        let first = *packet.first()?;
        let ip_header = usize::from(first & 15) * 4;
        if first >> 4 != 4 || *packet.get(9)? != PROTOCOL_TCP {
            return None;
        }
        let tcp = packet.get(ip_header..)?;
        let u16_at = |at: usize| Some(u16::from_be_bytes(tcp.get(at..at + 2)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_be_bytes(tcp.get(at..at + 4)?.try_into().ok()?));
        let flags = *tcp.get(13)?;
        Some(Self {
            from_port: u16_at(0)?,
            to_port: u16_at(2)?,
            begins: flags & (SYN | ACK) == SYN,
            payload: tcp.len().checked_sub(usize::from(tcp[12] >> 4) * 4)?,
            flags,
            sequence: u32_at(4)?,
            acknowledged: u32_at(8)?,
        })
    }

    /// Sends the packet back to the machine that it comes from. Sums over both addresses stay.
    pub(crate) fn swap_addresses(self, packet: &mut [u8]) {
        let (from, to) = packet[12..20].split_at_mut(4);
        from.swap_with_slice(to);
    }

    /// The packet that tells the sender of this one that its connection is gone; `None` for a reset.
    pub(crate) fn reset(self, packet: &[u8]) -> Option<Vec<u8>> {
        if self.flags & RST != 0 {
            return None;
        }
        let mut answer = vec![0; IP_HEADER + TCP_HEADER];
        answer[0] = 0x45;
        answer[2..4].copy_from_slice(&((IP_HEADER + TCP_HEADER) as u16).to_be_bytes());
        answer[8] = 64;
        answer[9] = PROTOCOL_TCP;
        answer[12..16].copy_from_slice(&packet[16..20]);
        answer[16..20].copy_from_slice(&packet[12..16]);
        let sum = checksum(0, &answer[..IP_HEADER]);
        answer[10..12].copy_from_slice(&sum.to_be_bytes());
        let tcp = &mut answer[IP_HEADER..];
        tcp[0..2].copy_from_slice(&self.to_port.to_be_bytes());
        tcp[2..4].copy_from_slice(&self.from_port.to_be_bytes());
        tcp[4..8].copy_from_slice(&self.acknowledged.to_be_bytes());
        let extra = u32::from(self.flags & (SYN | FIN) != 0);
        let next = self.sequence.wrapping_add(self.payload as u32).wrapping_add(extra);
        tcp[8..12].copy_from_slice(&next.to_be_bytes());
        tcp[12] = 5 << 4;
        tcp[13] = RST | ACK;
        let pseudo = u32::from(PROTOCOL_TCP) + TCP_HEADER as u32 + sum_of(&answer[12..20]);
        let sum = checksum(pseudo, &answer[IP_HEADER..]);
        answer[IP_HEADER + 16..IP_HEADER + 18].copy_from_slice(&sum.to_be_bytes());
        Some(answer)
    }
}

fn sum_of(bytes: &[u8]) -> u32 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    bytes.chunks(2).map(word).sum()
}

/// The Internet checksum (RFC 1071).
fn checksum(before: u32, bytes: &[u8]) -> u16 {
    let mut sum = before + sum_of(bytes);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A packet from one port to another with so many bytes.
    pub(crate) fn tcp(from: u16, to: u16, begins: bool, bytes: usize) -> Vec<u8> {
        let mut packet = vec![0; IP_HEADER + TCP_HEADER + bytes];
        (packet[0], packet[9]) = (0x45, PROTOCOL_TCP);
        packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        packet[20..22].copy_from_slice(&from.to_be_bytes());
        packet[22..24].copy_from_slice(&to.to_be_bytes());
        packet[24..28].copy_from_slice(&100_u32.to_be_bytes());
        packet[28..32].copy_from_slice(&7_u32.to_be_bytes());
        packet[32] = 5 << 4;
        packet[33] = if begins { SYN } else { ACK };
        packet
    }

    #[test]
    fn a_segment_says_where_it_goes_and_how_much_it_carries() {
        let packet = tcp(1000, 443, true, 10);
        let segment = Segment::of(&packet).unwrap();
        assert_eq!((segment.from_port, segment.to_port), (1000, 443));
        assert_eq!((segment.begins, segment.payload), (true, 10));
        assert!(Segment::of(&packet[..30]).is_none());
        assert!(Segment::of(&[0x60; 60]).is_none());
    }

    #[test]
    fn a_reset_continues_what_the_sender_knows() {
        let packet = tcp(1000, 443, false, 10);
        let answer = Segment::of(&packet).unwrap().reset(&packet).unwrap();
        let reset = Segment::of(&answer).unwrap();
        assert_eq!((reset.from_port, reset.to_port, reset.flags), (443, 1000, RST | ACK));
        assert_eq!((reset.sequence, reset.acknowledged), (7, 110));
        assert_eq!(answer[12..20], [10, 0, 0, 2, 10, 0, 0, 1]);
        assert_eq!(checksum(0, &answer[..IP_HEADER]), 0);
        let pseudo = u32::from(PROTOCOL_TCP) + TCP_HEADER as u32 + sum_of(&answer[12..20]);
        assert_eq!(checksum(pseudo, &answer[IP_HEADER..]), 0);
        assert!(reset.reset(&answer).is_none());
    }

    #[test]
    fn swapped_addresses_lead_back() {
        let mut packet = tcp(1000, 443, false, 3);
        let segment = Segment::of(&packet).unwrap();
        segment.swap_addresses(&mut packet);
        assert_eq!(packet[12..20], [10, 0, 0, 2, 10, 0, 0, 1]);
    }
}
