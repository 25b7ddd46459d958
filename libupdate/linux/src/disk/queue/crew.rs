//! Threads that carry accesses to the kernel, several at once. Where the system gives no thread, the act carries its own.

use std::io::{IoSlice, IoSliceMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::io::Errno;

use crate::aligned::AlignedBuf;
use crate::disk::medium::{Bounce, Calls, Medium};
use crate::error::OsError;
use crate::lent::SharedBuf;

/// Accesses that run at once. Measured: four saturate a device that two do not; more gain nothing.
const THREADS: usize = 4;

/// Bytes of a thread's stack: it makes calls, and computes nothing.
const STACK: usize = 128 << 10;

/// The calls of the crew: vectored, of one vector, so that who traces the program can tell them from the act's own.
const VECTORED: Calls = Calls {
    read: |file, buf, at| rustix::io::preadv(file, &mut [IoSliceMut::new(buf)], at),
    write: |file, buf, at| rustix::io::pwritev(file, &[IoSlice::new(buf)], at),
};

/// A single core has one access in flight beside what it computes.
pub(super) fn threads() -> usize {
    if thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) { THREADS } else { 1 }
}

/// What to do.
#[derive(Debug)]
pub(super) enum What {
    Read,
    Write,
    /// Writes what is lent, from a byte of it on. The order's own buffer is empty.
    WriteLent(SharedBuf, usize),
    /// Of these too.
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
    pub(super) what: What,
    pub(super) buf: AlignedBuf,
    pub(super) result: Result<(), OsError>,
}

/// What is yet to be done, for the next thread that is free.
type Orders = Mutex<Receiver<(u64, Order)>>;

/// Set where nobody waits for what is yet to be done.
type Abandoned = Arc<AtomicBool>;

/// The threads. They are started with the first access; while none can be, [`Crew::send`] does the work.
#[derive(Debug)]
pub(super) struct Crew {
    orders: Option<Sender<(u64, Order)>>,
    done: Receiver<Done>,
    /// For threads that are yet to be started.
    hiring: Option<(Arc<Orders>, Sender<Done>)>,
    threads: Vec<JoinHandle<()>>,
    most: usize,
    abandoned: Abandoned,
    next: u64,
    out: usize,
}

impl Crew {
    /// `most` threads; none: the act does it all.
    pub(super) fn new(most: usize) -> Self {
        let (orders, taken) = mpsc::channel();
        let (told, done) = mpsc::channel();
        let hiring = Some((Arc::new(Mutex::new(taken)), told));
        Self {
            orders: Some(orders),
            done,
            hiring,
            threads: Vec::new(),
            most,
            abandoned: Abandoned::default(),
            next: 0,
            out: 0,
        }
    }

    /// Sends an access on its way. Returns the ticket that it comes back with.
    pub(super) fn send(&mut self, order: Order) -> u64 {
        let ticket = self.next;
        self.next = self.next.wrapping_add(1);
        let sent = match self.hire() {
            Some(told) => told.send(carry(ticket, order, &mut Bounce::with(VECTORED))).is_ok(),
            None => self.orders.as_ref().is_some_and(|orders| orders.send((ticket, order)).is_ok()),
        };
        if sent {
            self.out += 1;
        }
        ticket
    }

    /// Starts the threads where there are none. Returns where to tell what the act does itself, where not one was to be had.
    fn hire(&mut self) -> Option<&Sender<Done>> {
        if let Some((orders, told)) = &self.hiring {
            let start = || {
                let (orders, told, abandoned) = (Arc::clone(orders), told.clone(), Arc::clone(&self.abandoned));
                thread::Builder::new().stack_size(STACK).spawn(move || work(&orders, &told, &abandoned)).ok()
            };
            self.threads = (0..self.most).map_while(|_| start()).collect();
        }
        if !self.threads.is_empty() {
            self.hiring = None;
        }
        self.hiring.as_ref().map(|(_, told)| told)
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
    /// Nothing is written any more once the queue is gone: the lock that protects the disk may go next. What no thread has begun is
    /// left out, so that who gave up does not wait for it.
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
        self.orders = None;
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

pub(super) fn work(orders: &Orders, told: &Sender<Done>, abandoned: &AtomicBool) {
    let mut bounce = Bounce::with(VECTORED);
    loop {
        let order = orders.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((ticket, order)) = order else { return };
        if abandoned.load(Ordering::Relaxed) || told.send(carry(ticket, order, &mut bounce)).is_err() {
            return;
        }
    }
}

fn carry(ticket: u64, order: Order, bounce: &mut Bounce) -> Done {
    let Order { what, medium, at, len, mut buf } = order;
    let short = || OsError::call(medium.path(), "carry", Errno::INVAL);
    let result = match &what {
        What::Read => buf.get_mut(..len).ok_or_else(short).and_then(|bytes| medium.read(at, bytes, bounce)),
        What::Write => buf.get(..len).ok_or_else(short).and_then(|bytes| medium.write(at, bytes, bounce)),
        What::WriteLent(lent, from) => {
            let bytes = lent.bytes().get(*from..from.saturating_add(len));
            bytes.ok_or_else(short).and_then(|bytes| medium.write(at, bytes, bounce))
        }
        What::Zero => medium.zero(at, len, bounce),
    };
    let result = result.map_err(|error| error.told_later(at));
    Done { ticket, what, buf, result }
}
