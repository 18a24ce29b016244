//! The way from a world's mount to its service: a line, and a front with TLS and HTTP/2 at its end.

use gphotosfs_line::{Authority, Front, Relay, Shape, Validity, Windows};

use super::World;

/// Everything between. It ends when it is dropped.
pub struct Way {
    pub relay: Relay,
    pub front: Front,
    /// The address of the service at the near end.
    pub url: String,
}

impl Way {
    /// Leads the program through a line of this shape from now on. The login stays where it is.
    pub fn of(world: &mut World, shape: Shape) -> Self {
        let way = Self::with(world, Validity::Now, shape);
        let authority = world.dir.path().join("authority.pem");
        world.env.push(("SSL_CERT_FILE", authority.to_str().unwrap().to_owned()));
        way
    }

    /// As [`Way::of`], with such a certificate, whose authority the program does not know yet.
    pub fn with(world: &mut World, validity: Validity, shape: Shape) -> Self {
        let way = world.emulator.wait(async {
            let authority = Authority::new("gphotosfs tests").unwrap();
            authority.write(&world.dir.path().join("authority.pem")).unwrap();
            let names = ["localhost", "photos.test"];
            let tls = authority.server(&names, validity, &["h2", "http/1.1"]).unwrap();
            let front = Front::start(&world.emulator.url, tls, Windows::default()).await.unwrap();
            let relay = Relay::start(front.address(), shape).await.unwrap();
            let url = format!("https://localhost:{}", relay.address().port());
            front.known_as(&url);
            Self { relay, front, url }
        });
        world.api_url.clone_from(&way.url);
        way
    }
}
