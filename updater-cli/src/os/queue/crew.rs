//! Threads that carry accesses to the kernel, several at once.

use std::io::{IoSlice, IoSliceMut};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::io::Errno;

use super::AlignedBuf;
use crate::os::error::OsError;
use crate::os::medium::{Bounce, Calls, Medium};

/// Accesses that run at once. Measured: four saturate a device that two do not; more gain nothing.
const THREADS: usize = 4;

/// The calls of the crew: vectored, of one vector, so that who traces the program can tell them from the act's own.
const VECTORED: Calls = Calls {
    read: |file, buf, at| rustix::io::preadv(file, &mut [IoSliceMut::new(buf)], at),
    write: |file, buf, at| rustix::io::pwritev(file, &[IoSlice::new(buf)], at),
};

/// A single core has one access in flight beside what it computes.
fn threads() -> usize {
    if thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) { THREADS } else { 1 }
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    Read,
    Write,
    Zero,
}

/// One access.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) what: What,
    pub(super) medium: Medium,
    pub(super) at: u64,
    pub(super) len: usize,
    pub(super) buf: AlignedBuf,
}

/// An access that came back.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) ticket: u64,
    pub(super) buf: AlignedBuf,
    pub(super) result: Result<(), OsError>,
}

/// What is yet to be done, for the next thread that is free.
type Orders = Mutex<Receiver<(u64, Order)>>;

/// The threads. They are started with the first access.
#[derive(Debug)]
pub(super) struct Crew {
    orders: Option<Sender<(u64, Order)>>,
    done: Receiver<Done>,
    /// For threads that are yet to be started.
    hiring: Option<(Arc<Orders>, Sender<Done>)>,
    threads: Vec<JoinHandle<()>>,
    next: u64,
    out: usize,
}

impl Crew {
    pub(super) fn new() -> Self {
        let (orders, taken) = mpsc::channel();
        let (told, done) = mpsc::channel();
        let hiring = Some((Arc::new(Mutex::new(taken)), told));
        Self { orders: Some(orders), done, hiring, threads: Vec::new(), next: 0, out: 0 }
    }

    /// Sends an access on its way. Returns the ticket that it comes back with.
    pub(super) fn send(&mut self, order: Order) -> u64 {
        if let Some((orders, told)) = self.hiring.take() {
            self.threads = (0..threads())
                .map(|_| {
                    let (orders, told) = (Arc::clone(&orders), told.clone());
                    thread::spawn(move || work(&orders, &told))
                })
                .collect();
        }
        let ticket = self.next;
        self.next = self.next.wrapping_add(1);
        if let Some(orders) = &self.orders
            && orders.send((ticket, order)).is_ok()
        {
            self.out += 1;
        }
        ticket
    }

    /// Whether an access is under way.
    pub(super) const fn busy(&self) -> bool {
        self.out > 0
    }

    /// Waits for one access. To be asked only while one is under way.
    pub(super) fn receive(&mut self) -> Done {
        self.out = self.out.saturating_sub(1);
        // The threads end only after `orders` is closed, and hold the other end until then.
        self.done.recv().expect("the crew is at work")
    }
}

impl Drop for Crew {
    /// Nothing is written any more once the queue is gone: the lock that protects the disk may go next.
    fn drop(&mut self) {
        self.orders = None;
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn work(orders: &Orders, told: &Sender<Done>) {
    let mut bounce = Bounce::with(VECTORED);
    loop {
        let order = orders.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((ticket, order)) = order else { return };
        let Order { what, medium, at, len, mut buf } = order;
        let short = || OsError::call(medium.path(), "carry", Errno::INVAL);
        let result = match what {
            What::Read => buf.get_mut(..len).ok_or_else(short).and_then(|bytes| medium.read(at, bytes, &mut bounce)),
            What::Write => buf.get(..len).ok_or_else(short).and_then(|bytes| medium.write(at, bytes, &mut bounce)),
            What::Zero => medium.zero(at, len, &mut bounce),
        };
        if told.send(Done { ticket, buf, result }).is_err() {
            return;
        }
    }
}
