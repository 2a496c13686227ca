//! A way to a part on which an answer is lost.

use tokio::{
    io::{AsyncReadExt as _, copy, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// A way to `part`, each connection a call of its own: the answer to the second call, once it came and names `mark`, is
/// not passed on, and its connection is cut. Returns where to call instead.
pub(crate) async fn losing_the_second_answer(part: &str, mark: &str) -> String {
    let target = part.trim_start_matches("http://").to_owned();
    let mark = mark.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for number in 1_u32.. {
            let (client, _) = listener.accept().await.unwrap();
            let part = TcpStream::connect(&target).await.unwrap();
            if number == 2 {
                tokio::spawn(lose(client, part, mark.clone()));
            } else {
                tokio::spawn(pass(client, part));
            }
        }
    });
    url
}

async fn pass(mut client: TcpStream, mut part: TcpStream) {
    let _ended = copy_bidirectional(&mut client, &mut part).await;
}

async fn lose(mut client: TcpStream, mut part: TcpStream, mark: String) {
    let (mut asked, _) = client.split();
    let (mut answered, mut asks) = part.split();
    let answer = async {
        let mut seen = Vec::new();
        while !seen.windows(mark.len()).any(|bytes| bytes == mark.as_bytes()) {
            assert_ne!(answered.read_buf(&mut seen).await.unwrap(), 0, "no answer came");
        }
    };
    tokio::select! {
        () = answer => {}
        _ended = copy(&mut asked, &mut asks) => {}
    }
}
