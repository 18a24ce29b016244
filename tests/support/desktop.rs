//! A desktop of the test's own: a message bus, and a service on it that notes each notification.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use futures_util::StreamExt;
use tokio::runtime::Runtime;
use zbus::message::Type;
use zbus::{Connection, MessageStream, OwnedVariant};

use super::DEADLINE;

const SERVICE: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
const FILE_MANAGER: &str = "org.freedesktop.FileManager1";

/// A call that the desktop has got.
#[derive(Clone, Debug, PartialEq)]
pub enum Called {
    Shown(Shown),
    /// A program has taken back the notification of this number.
    Withdrawn(u32),
    /// The file manager was told to show these folders.
    Folders(Vec<String>),
}

/// A notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub number: u32,
    pub title: String,
    pub body: String,
    pub buttons: Vec<String>,
}

/// A bus for this test alone. It ends when this is dropped.
pub struct Bus {
    process: Child,
    /// For `DBUS_SESSION_BUS_ADDRESS`.
    pub address: String,
}

/// See the module.
pub struct Desktop {
    runtime: Runtime,
    connection: Connection,
    called: Receiver<Called>,
}

impl Bus {
    /// Starts a bus on which nothing runs, and that starts nothing.
    pub fn start(dir: &Path) -> Self {
        let config = dir.join("bus.conf");
        let socket = dir.join("bus");
        let text = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>\
             <allow own=\"*\"/></policy></busconfig>",
            socket.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut process = Command::new("dbus-daemon")
            .arg("--config-file")
            .arg(&config)
            .args(["--nofork", "--nopidfile", "--print-address"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/test.sh installs dbus-daemon");
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { process, address: address.trim().to_owned() }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Desktop {
    /// Begins to show notifications on the bus.
    pub fn start(bus: &Bus) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (sender, called) = channel();
        let connection = runtime.block_on(async {
            let builder = zbus::connection::Builder::address(bus.address.as_str());
            let connection = builder.build().await.unwrap();
            let calls = MessageStream::from(&connection);
            tokio::spawn(serve(connection.clone(), calls, sender));
            connection.request_name(FILE_MANAGER).await.unwrap();
            connection.request_name(SERVICE).await.unwrap();
            connection
        });
        Self { runtime, connection, called }
    }

    /// The next call.
    pub fn next(&self) -> Called {
        self.called.recv_timeout(DEADLINE).expect("the desktop is told in time")
    }

    /// The next notification.
    pub fn shown(&self) -> Shown {
        match self.next() {
            Called::Shown(shown) => shown,
            other => panic!("{other:?}"),
        }
    }

    /// The calls so far that the test has not asked for.
    pub fn rest(&self) -> Vec<Called> {
        self.called.try_iter().collect()
    }

    /// The user presses a button.
    pub fn press(&self, number: u32, button: &str) {
        let body = (number, button);
        let (to, signal) = (None::<&str>, "ActionInvoked");
        let signal = self.connection.emit_signal(to, PATH, SERVICE, signal, &body);
        self.runtime.block_on(signal).unwrap();
    }
}

async fn serve(connection: Connection, mut calls: MessageStream, called: Sender<Called>) {
    let mut last = 0;
    while let Some(Ok(message)) = calls.next().await {
        let header = message.header();
        if header.message_type() != Type::MethodCall {
            continue;
        }
        let body = message.body();
        let answered = match header.member().unwrap().as_str() {
            "GetCapabilities" => {
                let able = ["actions", "body", "body-markup"];
                connection.reply(&header, &&able[..]).await
            }
            "Notify" => {
                type Message = (
                    String,
                    u32,
                    String,
                    String,
                    String,
                    Vec<String>,
                    HashMap<String, OwnedVariant>,
                    i32,
                );
                let (app, replaces, _, title, body, actions, _, _): Message =
                    body.deserialize().unwrap();
                assert_eq!(app, "gphotosfs");
                last += 1;
                let number = if replaces == 0 { last } else { replaces };
                let buttons = actions.chunks(2).map(|it| it[0].clone()).collect();
                let _ = called.send(Called::Shown(Shown { number, title, body, buttons }));
                connection.reply(&header, &number).await
            }
            "CloseNotification" => {
                let (number,): (u32,) = body.deserialize().unwrap();
                let _ = called.send(Called::Withdrawn(number));
                connection.reply(&header, &()).await
            }
            "ShowFolders" => {
                let (folders, _): (Vec<String>, String) = body.deserialize().unwrap();
                let _ = called.send(Called::Folders(folders));
                connection.reply(&header, &()).await
            }
            other => panic!("unknown call {other}"),
        };
        answered.unwrap();
    }
}
