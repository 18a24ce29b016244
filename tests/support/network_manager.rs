//! NetworkManager and logind of the test's own, as far as the program asks them: a service on a bus that
//! has both names.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use zbus::message::Type;
use zbus::{Connection, MessageStream, ObjectPath, Variant};

use super::desktop::Bus;

const MANAGER: &str = "org.freedesktop.NetworkManager";
const MANAGER_PATH: &str = "/org/freedesktop/NetworkManager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const LOGIND: &str = "org.freedesktop.login1";
const LOGIND_PATH: &str = "/org/freedesktop/login1";

/// The properties that matter.
#[derive(Clone, Copy)]
pub struct Network {
    pub metered: u32,
    pub state: u32,
    pub connection: &'static str,
}

impl Network {
    /// A connection of a home.
    pub const HOME: Self = Self { metered: 4, state: 70, connection: "/home" };
    /// That of a phone.
    pub const PHONE: Self = Self { metered: 1, state: 70, connection: "/phone" };
    /// None.
    pub const NONE: Self = Self { metered: 0, state: 20, connection: "/" };

    fn properties(self) -> HashMap<&'static str, Variant<'static>> {
        let connection = ObjectPath::try_from(self.connection).unwrap();
        HashMap::from([
            ("Metered", Variant::from(self.metered)),
            ("State", Variant::from(self.state)),
            ("PrimaryConnection", Variant::from(connection)),
        ])
    }
}

/// See the module.
pub struct NetworkManager {
    runtime: Runtime,
    connection: Connection,
    network: Arc<Mutex<Network>>,
    asked: Arc<AtomicUsize>,
}

impl NetworkManager {
    pub fn start(bus: &Bus, network: Network) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (network, asked) = (Arc::new(Mutex::new(network)), Arc::<AtomicUsize>::default());
        let connection = runtime.block_on(async {
            let builder = zbus::connection::Builder::address(bus.address.as_str());
            let connection = builder.build().await.unwrap();
            let calls = MessageStream::from(&connection);
            tokio::spawn(serve(connection.clone(), calls, network.clone(), asked.clone()));
            connection.request_name(MANAGER).await.unwrap();
            connection.request_name(LOGIND).await.unwrap();
            connection
        });
        Self { runtime, connection, network, asked }
    }

    /// How often a program has asked for the properties.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// The machine has another network from now on.
    pub fn switch(&self, network: Network) {
        *self.network.lock() = network;
        let body = (MANAGER, network.properties(), Vec::<String>::new());
        self.emit(MANAGER_PATH, PROPERTIES, "PropertiesChanged", &body);
    }

    /// The machine sleeps and wakes up.
    pub fn sleep(&self) {
        for begins in [true, false] {
            self.emit(LOGIND_PATH, "org.freedesktop.login1.Manager", "PrepareForSleep", &(begins,));
        }
    }

    fn emit<B: serde::Serialize + zbus::DynamicType>(
        &self,
        path: &str,
        interface: &str,
        signal: &str,
        body: &B,
    ) {
        let signal = self.connection.emit_signal(None::<&str>, path, interface, signal, body);
        self.runtime.block_on(signal).unwrap();
    }
}

async fn serve(
    connection: Connection,
    mut calls: MessageStream,
    network: Arc<Mutex<Network>>,
    asked: Arc<AtomicUsize>,
) {
    while let Some(Ok(message)) = calls.next().await {
        let header = message.header();
        if header.message_type() != Type::MethodCall {
            continue;
        }
        assert_eq!(header.member().unwrap().as_str(), "GetAll");
        let properties = network.lock().properties();
        connection.reply(&header, &properties).await.unwrap();
        asked.fetch_add(1, Ordering::Relaxed);
    }
}
