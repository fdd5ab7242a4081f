// SPDX-License-Identifier: Apache-2.0
// What Signal's operations cost in libsignal, called from node in one process: signal_peer.mjs SECONDS. Prints one JSON
// object, the operation's name in signal_bench.cc to {ns, store_calls}: CPU of the process, of which others on the machine
// take nothing. Run by beside_libsignal, from a folder with the package. Its stores keep the objects they are given, so
// that nothing is serialized that libsignal does not want to.
import * as signal from '@signalapp/libsignal-client';

const text = new Uint8Array(256).fill(120);
const seconds = Number(process.argv[2]);
let storeCalls = 0;

class Sessions extends signal.SessionStore {
  records = new Map();
  async saveSession(name, record) { ++storeCalls; this.records.set(name.toString(), record); }
  async getSession(name) { ++storeCalls; return this.records.get(name.toString()) ?? null; }
  async getExistingSessions(names) { return names.map((name) => this.records.get(name.toString())); }
}

class Identities extends signal.IdentityKeyStore {
  known = new Map();
  constructor(key) { super(); this.key = key; }
  async getIdentityKey() { ++storeCalls; return this.key; }
  async getLocalRegistrationId() { ++storeCalls; return 77; }
  async saveIdentity(name, key) {
    ++storeCalls;
    this.known.set(name.toString(), key);
    return signal.IdentityChange.NewOrUnchanged;
  }
  async isTrustedIdentity() { ++storeCalls; return true; }
  async getIdentity(name) { ++storeCalls; return this.known.get(name.toString()) ?? null; }
}

class OneTimePrekeys extends signal.PreKeyStore {
  kept = new Map();
  async savePreKey(id, record) { this.kept.set(id, record); }
  async getPreKey(id) { ++storeCalls; return this.kept.get(id); }
  async removePreKey() { ++storeCalls; }  // stays: the same first message is answered again
}

class SignedPrekeys extends signal.SignedPreKeyStore {
  kept = new Map();
  async saveSignedPreKey(id, record) { this.kept.set(id, record); }
  async getSignedPreKey(id) { ++storeCalls; return this.kept.get(id); }
}

class KyberPrekeys extends signal.KyberPreKeyStore {
  kept = new Map();
  async saveKyberPreKey(id, record) { this.kept.set(id, record); }
  async getKyberPreKey(id) { ++storeCalls; return this.kept.get(id); }
  async markKyberPreKeyUsed() { ++storeCalls; }
}

class SenderKeys extends signal.SenderKeyStore {
  record = null;
  async saveSenderKey(sender, id, record) { ++storeCalls; this.record = record; }
  async getSenderKey() { ++storeCalls; return this.record; }
}

class Device {
  nextId = 1;
  key = signal.PrivateKey.generate();
  sessions = new Sessions();
  identities = new Identities(this.key);
  oneTime = new OneTimePrekeys();
  signedPrekeys = new SignedPrekeys();
  kyber = new KyberPrekeys();
  senderKeys = new SenderKeys();
  constructor(name) { this.address = signal.ProtocolAddress.new(name, 1); }

  bundle() {
    const id = this.nextId++;
    const once = signal.PrivateKey.generate();
    const onceSignature = this.key.sign(once.getPublicKey().serialize());
    this.signedPrekeys.saveSignedPreKey(id, signal.SignedPreKeyRecord.new(id, 0, once.getPublicKey(), once, onceSignature));
    const kem = signal.KEMKeyPair.generate();
    const kemSignature = this.key.sign(kem.getPublicKey().serialize());
    this.kyber.saveKyberPreKey(id, signal.KyberPreKeyRecord.new(id, 0, kem, kemSignature));
    const oneTime = signal.PrivateKey.generate();
    this.oneTime.savePreKey(id, signal.PreKeyRecord.new(id, oneTime.getPublicKey(), oneTime));
    return signal.PreKeyBundle.new(77, 1, id, oneTime.getPublicKey(), id, once.getPublicKey(), onceSignature,
      this.key.getPublicKey(), id, kem.getPublicKey(), kemSignature);
  }

  open(to, bundle) {
    return signal.processPreKeyBundle(bundle, to.address, this.address, this.sessions, this.identities);
  }
  send(to) { return signal.signalEncrypt(text, to.address, this.address, this.sessions, this.identities); }
  receive(from, bytes) {
    return signal.signalDecrypt(signal.SignalMessage.deserialize(bytes), from.address, this.address, this.sessions,
      this.identities);
  }
  receiveFirst(from, bytes) {
    return signal.signalDecryptPreKey(signal.PreKeySignalMessage.deserialize(bytes), from.address, this.address,
      this.sessions, this.identities, this.oneTime, this.signedPrekeys, this.kyber);
  }
}

class Pair {
  alice = new Device('alice@example.org');
  bob = new Device('bob@example.org');

  async establish() {
    await this.alice.open(this.bob, this.bob.bundle());
    await this.bob.receiveFirst(this.alice, (await this.alice.send(this.bob)).serialize());
    await this.alice.receive(this.bob, (await this.bob.send(this.alice)).serialize());
    for (let i = 1; i < 200; ++i) await this.round();
    return this;
  }
  async round() {
    await this.bob.receive(this.alice, (await this.alice.send(this.bob)).serialize());
    await this.alice.receive(this.bob, (await this.bob.send(this.alice)).serialize());
  }
}

const results = {};

// `prepare` makes the input of `batch` operations outside the measured time.
async function measure(name, operation, { batch = 1, prepare = () => undefined } = {}) {
  // Compiled and warm before it counts.
  for (const end = Date.now() + 300 * seconds; Date.now() < end;) {
    for (const input of (await prepare()) ?? [undefined]) await operation(input);
  }
  let count = 0;
  let calls = 0;
  let spent = 0;
  while (spent < seconds * 1e6) {
    const inputs = await prepare();
    storeCalls = 0;
    const begin = process.cpuUsage();
    for (let i = 0; i < batch; ++i) await operation(inputs?.[i]);
    const { user, system } = process.cpuUsage(begin);
    spent += user + system;
    calls += storeCalls;
    count += batch;
  }
  results[name] = { ns: (spent * 1000) / count, store_calls: calls / count };
}

async function times(count, make) {
  const made = [];
  for (let i = 0; i < count; ++i) made.push(await make());
  return made;
}

async function sessions() {
  const fresh = new Pair();
  await measure('signal_publish', () => fresh.bob.bundle());
  const bundle = fresh.bob.bundle();
  await measure('signal_open', async () => {
    fresh.alice.sessions.records.clear();
    await fresh.alice.open(fresh.bob, bundle);
    (await fresh.alice.send(fresh.bob)).serialize();
  });
  const first = (await fresh.alice.send(fresh.bob)).serialize();
  await measure('signal_answer', async () => {
    fresh.bob.sessions.records.clear();
    await fresh.bob.receiveFirst(fresh.alice, first);
  });
  const pair = await new Pair().establish();
  const send = async () => (await pair.alice.send(pair.bob)).serialize();
  await measure('signal_round', () => pair.round(), { batch: 16 });
  const record = pair.alice.sessions.records.get(pair.bob.address.toString());
  const bytes = record.serialize();
  await measure('signal_store', () => record.serialize(), { batch: 64 });
  await measure('signal_load', () => signal.SessionRecord.deserialize(bytes), { batch: 64 });
  await measure('signal_decrypt', (message) => pair.bob.receive(pair.alice, message),
    { batch: 64, prepare: () => times(64, send) });
  await measure('signal_encrypt', send, { batch: 64 });
}

async function groups() {
  const id = 'd1d1d1d1-7000-11eb-b32a-33b8a8a487a6';
  const sender = new Device('alice@example.org');
  const reader = new Device('bob@example.org');
  const distribution = await signal.SenderKeyDistributionMessage.create(sender.address, id, sender.senderKeys);
  const learn = () => signal.processSenderKeyDistributionMessage(sender.address, distribution, reader.senderKeys);
  await learn();
  const send = async () => (await signal.groupEncrypt(sender.address, id, sender.senderKeys, text)).serialize();
  await measure('group_decrypt', (message) => signal.groupDecrypt(sender.address, reader.senderKeys, message),
    { batch: 64, prepare: () => times(64, send) });
  await measure('group_encrypt', send, { batch: 64 });
  // Nothing to compute: what calling costs.
  await measure('group_learn_again', learn, { batch: 64 });
}

async function fingerprints() {
  const [ours, theirs] = [signal.PrivateKey.generate().getPublicKey(), signal.PrivateKey.generate().getPublicKey()];
  await measure('safety_number', () => signal.Fingerprint.new(5200, 2, text.subarray(0, 17), ours, text.subarray(0, 15), theirs));
}

await sessions();
await groups();
await fingerprints();
console.log(JSON.stringify(results));
